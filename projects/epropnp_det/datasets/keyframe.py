"""One keyframe of a nuScenes as a small data set of its own: six images, a sweep, their boxes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from nuscenes import NuScenes

from .convert import CAMERAS, convert_samples
from .files import write_json
from .prepare import CATEGORIES, missing_files
from .tables import load_tables

ANNOTATION_FILE = 'nuscenes_infos_mono3d.coco.json'


def find_sample(tables: NuScenes, sample: int | str) -> dict:
    """The row of the table ``sample`` with this position or token.

    Raises:
        ValueError: If there is none.
    """
    if isinstance(sample, str) and not sample.lstrip('-').isdigit():
        rows = [row for row in tables.sample if row['token'] == sample]
        if not rows:
            raise ValueError(f'{tables.version} in {tables.dataroot} has no sample {sample}')
        return rows[0]
    count = len(tables.sample)
    if not 0 <= int(sample) < count:
        raise ValueError(f'{tables.version} has the samples 0 to {count - 1}, not {sample}')
    return tables.sample[int(sample)]


def extract_keyframe(
    data_root: str | Path, version: str, sample: int | str, out: str | Path
) -> Path:
    """Writes images, LiDAR sweep and annotation file of one keyframe into a folder of their own.

    Args:
        data_root: Folder with ``samples/`` and the tables ``version/``.
        version: Such as ``v1.0-mini``.
        sample: Position in the table ``sample``, or a token.
        out: New folder; it appears when it is complete.

    Returns:
        The annotation file ``nuscenes_infos_mono3d.coco.json``; files in it are relative to
        ``out``.

    Raises:
        FileExistsError: If there is something at ``out``.
        FileNotFoundError: If tables, images or the sweep are missing.
        ValueError: If there is no such sample, or the tables are damaged.
    """
    out = Path(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise FileExistsError(f'{out} holds something: remove it, or name another folder')
    tables = load_tables(data_root, version)
    row = find_sample(tables, sample)
    missing = missing_files(tables, row, (*CAMERAS, 'LIDAR_TOP'))
    if missing:
        raise FileNotFoundError(
            f'{data_root} lacks {len(missing)} files of this keyframe, the first is {missing[0]}; '
            'unpack the keyframe images and LiDAR sweeps of nuScenes there'
        )
    images, annotations = convert_samples(tables, [row])
    content = {
        'images': images,
        'annotations': [{**record, 'id': i} for i, record in enumerate(annotations)],
        'categories': CATEGORIES,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}.') as parts:
        # mkdtemp's folder is for its owner only; the one inside has the user's own permissions
        folder = Path(parts) / out.name
        for name in {images[0]['lidar_path'], *(image['file_name'] for image in images)}:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(data_root) / name, folder / name)
        write_json(folder / ANNOTATION_FILE, content)
        folder.replace(out)
    return out / ANNOTATION_FILE

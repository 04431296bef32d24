"""From nuScenes tables to annotation files: in parallel over scenes, resumable, atomic.

Each run of samples of one scene becomes a part file; the parts are then joined in the order of the
table, so that the result does not depend on the number of processes. The part files lie in a hidden
folder beside the result and go when it is complete; a run that was interrupted takes up those that
were made from the same tables. No process ever holds all annotations.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import multiprocessing
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nuscenes import NuScenes
from tqdm import tqdm

from ..inputs import notice
from ..taxonomy import CLASSES
from .convert import CAMERAS, convert_samples, dropped_categories
from .files import write_json, write_json_stream
from .tables import TABLES, load_tables, split_name, split_samples

SPLITS = {
    'v1.0-mini': {'train': 'mini_train', 'val': 'mini_val'},
    'v1.0-trainval': {'train': 'train', 'val': 'val'},
    'v1.0-test': {'test': 'test'},
}
CATEGORIES = [{'id': label, 'name': name} for label, name in enumerate(CLASSES)]
MANY_DROPPED = 0.1  # share of annotations; 3 % of nuScenes are of no class
FORMAT = 3  # part files of another format are made anew


class Job(NamedTuple):
    """Consecutive samples of one scene and the part file that they become.

    Attributes:
        path: The part file.
        samples: Rows of the table ``sample``.
        lidar: Whether LiDAR fields are written.
    """

    path: Path
    samples: list[dict]
    lidar: bool


_tables: NuScenes | None = None  # of the worker processes, which inherit it


def prepare_nuscenes(
    data_root: str | Path,
    version: str,
    out: str | Path | None = None,
    prefix: str = 'nuscenes',
    skip_missing: bool = False,
    workers: int = 1,
    splits: Mapping[str, str | Sequence[str]] | None = None,
) -> list[Path]:
    """Writes ``PREFIX_infos_{train,val}_mono3d.coco.json``, or ``..._test_...`` for the test set.

    Args:
        data_root: Folder with ``samples/`` and the tables ``VERSION/``.
        version: ``v1.0-mini``, ``v1.0-trainval`` or ``v1.0-test``.
        out: Folder for the files; None takes ``data_root``, where mmdet3d's configs look.
        prefix: Start of the file names.
        skip_missing: Whether to leave out scenes of which an image, or a LiDAR sweep although
            others are there, is missing (a partial download).
        workers: Processes; the tables are shared between them. 1 where there is no ``fork``.
        splits: Split of each file NAME that is written, see ``split_samples``; None takes the
            official ones of the version.

    Returns:
        The files.

    Raises:
        FileNotFoundError: If tables, images or LiDAR sweeps are missing.
        ValueError: If the version is unknown, or the tables are damaged.
    """
    if splits is None and version not in SPLITS:
        raise ValueError(
            f'unknown version {version}; it is one of {list(SPLITS)}, or one of your own, whose '
            'scenes a file lists (--split FILE)'
        )
    if workers < 1:
        raise ValueError(f'workers must be at least 1, got {workers}')
    tables = load_tables(data_root, version)
    fingerprint = _fingerprint(Path(data_root) / version)
    splits = dict(splits or SPLITS[version])
    plans = {}
    for name, split in splits.items():  # all that can be missing is named before any work
        samples = split_samples(tables, split)
        _check_content(tables, samples, split)
        lidar = _has_lidar(tables, samples)
        samples = _complete_scenes(tables, split, samples, lidar, skip_missing)
        plans[name] = samples, lidar
    _check_samples(tables, {name: samples for name, (samples, _) in plans.items()}, splits)
    paths = []
    for name, (samples, lidar) in plans.items():
        path = Path(out or data_root) / f'{prefix}_infos_{name}_mono3d.coco.json'
        parts = path.parent / f'.{path.name}.parts'
        jobs = _jobs(tables, samples, parts, lidar)
        _open_parts(parts, {'format': FORMAT, 'tables': fingerprint})
        _run(tables, jobs, workers, f'{version} {name}')
        info = {'version': version, 'split': splits[name]}
        paths.append(write_json_stream(path, _join([job.path for job in jobs], info)))
        shutil.rmtree(parts)
    return paths


# ---- what would be left of the tables


def _check_samples(tables: NuScenes, samples: Mapping, splits: Mapping) -> None:
    """Fails where no split has a sample, and says which has none."""
    empty = [split_name(splits[name]) for name, rows in samples.items() if not rows]
    if not empty:
        return
    names = ', '.join(sorted(scene['name'] for scene in tables.scene)[:3]) or 'none'
    message = (
        f'{" and ".join(empty)} of {tables.version} have no complete sample: the scenes of the '
        f'tables are called {names}, ...; list those that you want in a text file, one a line, and '
        'pass --split FILE'
    )
    if len(empty) == len(samples):
        raise ValueError(message)
    notice(('empty', message), message)


def _check_content(tables: NuScenes, samples: list[dict], split: str | Sequence[str]) -> None:
    """Says what conversion leaves out, and fails where nothing or next to nothing remains."""
    where = f'{split_name(split)} of {tables.version}'
    dropped, total = dropped_categories(tables, samples)
    number = sum(dropped.values())
    listing = ', '.join(f'{name} {count}' for name, count in dropped.most_common(4))
    listing += f' and {len(dropped) - 4} categories more' if len(dropped) > 4 else ''
    if total and number == total:
        raise ValueError(
            f'none of the {total} annotations of {where} is of a class of the detection benchmark '
            f'({listing}); name the categories of the table as nuScenes does (vehicle.car) or by '
            f'class: {", ".join(CLASSES)}'
        )
    if number > MANY_DROPPED * total:
        notice(
            ('dropped', where),
            f'{number} of {total} annotations of {where} are left out, since their categories are '
            f'none of the ten classes: {listing}',
        )


# ---- what is on disk


def missing_files(tables: NuScenes, sample: dict, channels: tuple[str, ...]) -> list[str]:
    """Keyframe files of the sample that are not on disk, relative to the data root.

    Raises:
        ValueError: If the tables have no such channel for the sample.
    """
    absent = [channel for channel in channels if channel not in sample['data']]
    if absent:
        raise ValueError(
            f'sample {sample["token"]} has no keyframe of {absent}; the table sample_data is '
            'incomplete, unpack the metadata anew'
        )
    names = [tables.get('sample_data', sample['data'][c])['filename'] for c in channels]
    return [name for name in names if not (Path(tables.dataroot) / name).is_file()]


def _has_lidar(tables: NuScenes, samples: list[dict]) -> bool:
    """Whether any LiDAR keyframe was downloaded; if none was, the file names none."""
    return any(not missing_files(tables, sample, ('LIDAR_TOP',)) for sample in samples)


def _complete_scenes(
    tables: NuScenes,
    split: str | Sequence[str],
    samples: list[dict],
    lidar: bool,
    skip_missing: bool,
) -> list[dict]:
    """Samples of the scenes of which every file is there."""
    channels = (*CAMERAS, 'LIDAR_TOP') if lidar else CAMERAS
    missing = {s['token']: names for s in samples if (names := missing_files(tables, s, channels))}
    if missing and not skip_missing:
        first = next(iter(missing.values()))[0]
        raise FileNotFoundError(
            f'{len(missing)} of {len(samples)} samples of {split_name(split)} lack images or LiDAR '
            f'sweeps in {tables.dataroot}, the first is {first}; unpack the missing parts, or '
            'leave their scenes out (--skip-missing)'
        )
    gaps = {sample['scene_token'] for sample in samples if sample['token'] in missing}
    kept = [sample for sample in samples if sample['scene_token'] not in gaps]
    if gaps:
        notice(
            ('gaps', split_name(split)),
            f'{len(gaps)} scenes of {split_name(split)} are left out, since files of them are '
            f'missing from {tables.dataroot}: {len(samples) - len(kept)} of {len(samples)} samples',
        )
    return kept


# ---- parts


def _jobs(tables: NuScenes, samples: list[dict], folder: Path, lidar: bool) -> list[Job]:
    """One job per run of samples of the same scene; their order is that of the table."""
    jobs = []
    runs = itertools.groupby(samples, key=lambda sample: sample['scene_token'])
    for number, (token, group) in enumerate(runs):
        members = list(group)
        tokens = ' '.join([str(lidar), *(sample['token'] for sample in members)])
        digest = hashlib.sha1(tokens.encode()).hexdigest()[:12]
        name = tables.get('scene', token)['name']
        jobs.append(Job(folder / f'{number:05d}_{name}_{digest}.json', members, lidar))
    return jobs


def _fingerprint(folder: Path) -> list:
    """Size and time of every table."""
    stats = [(folder / f'{name}.json').stat() for name in TABLES]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]


def _open_parts(folder: Path, identity: dict) -> None:
    """Empties the folder unless its parts were made from the same tables."""
    stamp = folder / 'identity.json'
    if not stamp.is_file() or json.loads(stamp.read_text(encoding='utf-8')) != identity:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(stamp, identity)


def _convert(job: Job) -> int:
    """Writes a part: images, an empty line, annotations without ids; one record per line."""
    parts = convert_samples(_tables, job.samples, job.lidar)
    write_json_stream(job.path, ['\n\n'.join('\n'.join(map(json.dumps, part)) for part in parts)])
    return len(job.samples)


def _run(tables: NuScenes, jobs: list[Job], workers: int, title: str) -> None:
    """Makes the parts that are not there, with a progress bar over the samples."""
    global _tables  # the processes inherit it: it is too large to be sent
    todo = [job for job in jobs if not job.path.is_file()]
    total = sum(len(job.samples) for job in jobs)
    done = total - sum(len(job.samples) for job in todo)
    workers = min(workers, len(todo))
    _tables = tables
    try:
        with tqdm(total=total, initial=done, desc=title, unit='sample', smoothing=0.1) as bar:
            if workers < 2 or 'fork' not in multiprocessing.get_all_start_methods():
                for job in todo:
                    bar.update(_convert(job))
                return
            gc.freeze()  # a collection in a process would copy the tables that it shares
            with multiprocessing.get_context('fork').Pool(workers) as pool:
                for number in pool.imap_unordered(_convert, todo):
                    bar.update(number)
    finally:
        gc.unfreeze()
        _tables = None


def _join(parts: list[Path], info: dict) -> Iterator[str]:
    """The annotation file, piece by piece; annotations are numbered in order.

    The records stay text: this is the part of the work that one process does for all.
    """

    def records(section: int) -> Iterator[str]:
        for path in parts:
            yield from filter(
                None, path.read_text(encoding='utf-8').split('\n\n')[section].split('\n')
            )

    yield '{"images": ['
    for number, image in enumerate(records(0)):
        yield ('\n' if number == 0 else ',\n') + image
    yield '],\n"annotations": ['
    for number, annotation in enumerate(records(1)):
        comma = ',' if number else ''
        yield f'{comma}\n{annotation[:-1]}, "id": {number}}}'
    yield f'],\n"categories": {json.dumps(CATEGORIES)},\n"info": {json.dumps(info)}}}\n'

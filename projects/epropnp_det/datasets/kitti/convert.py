"""Reads the raw KITTI object layout as the content of a ``*_mono3d.coco.json``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .average_precision import NEIGHBOURS
from .files import KittiObjects, camera_offset, read_objects, read_projection

CLASSES = ('Pedestrian', 'Cyclist', 'Car')
SUFFIXES = ('.png', '.jpg', '.jpeg')


def frame_names(ann_file: str | Path) -> tuple[Path, list[str]]:
    """Folder and frames that a data set config names.

    Args:
        ann_file: The folder with ``image_2``, ``calib`` and ``label_2``, or a text file in
            ``ImageSets`` beside ``training`` and ``testing`` that lists frames, such as 000001.

    Raises:
        FileNotFoundError: If there is no image.
    """
    path = Path(ann_file)
    if path.is_dir():
        names = sorted(f.stem for f in (path / 'image_2').glob('*') if f.suffix in SUFFIXES)
        folder = path
    else:
        names = path.read_text('utf-8').split()
        folder = path.parent.parent / ('testing' if path.stem == 'test' else 'training')
    if not names:
        raise FileNotFoundError(f'{path} names no frame; KITTI images lie in FOLDER/image_2')
    return folder, names


def read_layout(folder: str | Path, names: Iterable[str], root: str | Path) -> dict:
    """Images and annotations of frames of the raw layout, in the frame of camera 2.

    Objects like those of a class (vans, sitting persons) and ``DontCare`` regions become ignored
    annotations, as the benchmark ignores them.

    Args:
        folder: With ``image_2``, ``calib`` and, but for the test set, ``label_2``.
        names: Frames, such as 000001.
        root: Folder that ``file_name`` shall be relative to.

    Raises:
        FileNotFoundError: If an image or a calibration is missing.
        ValueError: If a file is not what it should be.
    """
    folder = Path(folder)
    images, annotations = [], []
    labelled = (folder / 'label_2').is_dir()
    for name in names:
        image = image_record(folder, name, root)
        images.append(image)
        if labelled:
            objects = read_objects(folder / 'label_2' / f'{name}.txt')
            annotations += image_annotations(objects, image)
    for number, annotation in enumerate(annotations):
        annotation['id'] = number
    categories = [{'id': number, 'name': name} for number, name in enumerate(CLASSES)]
    return {'images': images, 'annotations': annotations, 'categories': categories}


def image_record(folder: Path, name: str, root: str | Path) -> dict:
    """Record of one image; only the head of its file is read."""
    files = [folder / 'image_2' / f'{name}{suffix}' for suffix in SUFFIXES]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        raise FileNotFoundError(f'no image {files[0]}')
    projection = read_projection(folder / 'calib' / f'{name}.txt')
    with Image.open(path) as image:
        width, height = image.size
    return {
        'id': name,
        'file_name': str(path.relative_to(root)),
        'width': width,
        'height': height,
        'cam_intrinsic': projection[:, :3].tolist(),
        'cam_offset': camera_offset(projection).tolist(),
    }


def image_annotations(objects: KittiObjects, image: dict) -> list[dict]:
    """Annotations of one image, without ids."""
    near = {other: name for name, other in NEIGHBOURS.items()}
    offset = np.array(image['cam_offset'])
    found = []
    for kind, truncated, occluded, _, bbox, dims, location, yaw, _ in zip(*objects):
        ignored = kind == 'DontCare' or kind in near
        name = near.get(kind, CLASSES[-1] if ignored else kind)
        if name not in CLASSES:
            continue
        height, width, length = np.maximum(dims, 1e-3) if kind == 'DontCare' else dims
        center = location + offset - [0, height / 2, 0]
        x1, y1, x2, y2 = bbox.tolist()
        found.append(
            {
                'image_id': image['id'],
                'category_id': CLASSES.index(name),
                'category_name': name,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': (x2 - x1) * (y2 - y1),
                'iscrowd': int(ignored),
                'bbox_cam3d': [*center.tolist(), length, height, width, float(yaw)],
                'truncation': max(float(truncated), 0.0),
                'occluded': int(occluded),
                'center2d': _center2d(center, image),
            }
        )
    return found


def _center2d(center: np.ndarray, image: dict) -> list[float]:
    u, v, depth = (np.array(image['cam_intrinsic']) @ center).tolist()
    scale = max(abs(depth), 1e-3)
    return [u / scale, v / scale, depth]


def plain_content(content: dict) -> dict:
    """The file of mmdet3d's converter without its marks for what KITTI does not know.

    It writes -1 for velocities and attributes, and no offset: its boxes are moved along x only.
    """
    for image in content.get('images', ()):
        matrix = np.array(image.get('cam_intrinsic', np.eye(3)), dtype=np.float64)
        if 'cam_offset' not in image and matrix.ndim == 2 and matrix.shape[1] == 4:
            image['cam_offset'] = [float(matrix[0, 3] / matrix[0, 0]), 0.0, 0.0]
    for annotation in content.get('annotations', ()):
        for key in ('velo_cam3d', 'attribute_id', 'attribute_name'):
            if annotation.get(key) == -1:
                del annotation[key]
    return content


def frame_of(image: dict) -> str:
    """Name of the frame of an image record, such as 000001."""
    return Path(image['file_name']).stem


def label_paths(images: Sequence[dict], root: str | Path) -> list[Path]:
    """Label file of each image: in ``label_2`` beside its ``image_2``."""
    files = [Path(root) / image['file_name'] for image in images]
    return [file.parent.parent / 'label_2' / f'{file.stem}.txt' for file in files]

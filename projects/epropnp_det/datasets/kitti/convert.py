"""Reads the raw KITTI object layout as the content of a ``*_mono3d.coco.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from .files import KittiObjects, camera_offset, read_objects, read_projection

CLASSES = ('Pedestrian', 'Cyclist', 'Car')
SUFFIXES = ('.png', '.jpg', '.jpeg')


class Meaning(NamedTuple):
    """What a type of KITTI's is under the class names of a benchmark.

    Attributes:
        name: The class, or one that stands in for an ignored object of another kind.
        ignored: Whether it is neither object nor background.
        attribute: Index of nuScenes' attribute, where the type says it.
    """

    name: str
    ignored: bool = False
    attribute: int | None = None


OWN_MEANINGS = {
    'Pedestrian': Meaning('Pedestrian'),
    'Cyclist': Meaning('Cyclist'),
    'Car': Meaning('Car'),
    'Van': Meaning('Car', ignored=True),
    'Person_sitting': Meaning('Pedestrian', ignored=True),
    'DontCare': Meaning('Car', ignored=True),
}
"""As the benchmark scores: like objects are ignored, the other types are background."""
NUSCENES_MEANINGS = {
    'Car': Meaning('car'),
    # nuScenes counts vans among its cars, and bicycles with their riders among its bicycles.
    'Van': Meaning('car'),
    'Truck': Meaning('truck'),
    'Pedestrian': Meaning('pedestrian'),
    'Cyclist': Meaning('bicycle', attribute=0),
    'Person_sitting': Meaning('pedestrian', ignored=True),
    'Tram': Meaning('bus', ignored=True),
    'Misc': Meaning('trailer', ignored=True),
    'DontCare': Meaning('car', ignored=True),
}
"""Under the names of nuScenes, for training with images of both; no type is background."""
# nuScenes' level of visibility for KITTI's level of occlusion; 3 is not known.
_VISIBILITY = {0: 4, 1: 3, 2: 2}


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


def read_layout(
    folder: str | Path,
    names: Iterable[str],
    root: str | Path,
    meanings: Mapping[str, Meaning] = OWN_MEANINGS,
    classes: Sequence[str] = CLASSES,
) -> dict:
    """Images and annotations of frames of the raw layout, in the frame of camera 2.

    Args:
        folder: With ``image_2``, ``calib`` and, but for the test set, ``label_2``.
        names: Frames, such as 000001.
        root: Folder that ``file_name`` shall be relative to.
        meanings: Of each type; objects of other types are left out.
        classes: The categories, in their order.

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
            annotations += image_annotations(objects, image, meanings, classes)
    for number, annotation in enumerate(annotations):
        annotation['id'] = number
    categories = [{'id': number, 'name': name} for number, name in enumerate(classes)]
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


def image_annotations(
    objects: KittiObjects, image: dict, meanings: Mapping[str, Meaning], classes: Sequence[str]
) -> list[dict]:
    """Annotations of one image, without ids."""
    offset = np.array(image['cam_offset'])
    found = []
    for kind, truncated, occluded, _, bbox, dims, location, yaw, _ in zip(*objects):
        if kind not in meanings:
            continue
        name, ignored, attribute = meanings[kind]
        height, width, length = np.maximum(dims, 1e-3) if kind == 'DontCare' else dims
        center = location + offset - [0, height / 2, 0]
        x1, y1, x2, y2 = bbox.tolist()
        found.append(
            {
                'image_id': image['id'],
                'category_id': classes.index(name),
                'category_name': name,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': (x2 - x1) * (y2 - y1),
                'iscrowd': int(ignored),
                'bbox_cam3d': [*center.tolist(), length, height, width, float(yaw)],
                'truncation': max(float(truncated), 0.0),
                'occluded': int(occluded),
                'visibility': _VISIBILITY.get(int(occluded)),
                'center2d': _center2d(center, image),
                **({} if attribute is None else {'attribute_id': attribute}),
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

"""Writes any ``*_mono3d.coco.json`` as a folder in KITTI's layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..annotation_check import by_image, sound_annotations
from ..completion import complete_annotations
from .files import KittiObjects, write_labels

TYPES = {
    'car': 'Car',
    'pedestrian': 'Pedestrian',
    'bicycle': 'Cyclist',
    'truck': 'Truck',
    'bus': 'Truck',
    'Car': 'Car',
    'Pedestrian': 'Pedestrian',
    'Cyclist': 'Cyclist',
}
OFFSET = np.array([0.06, -0.0003, 0.0027])
"""Of camera 2 in a real calibration; the labels are given in the frame of camera 0."""
OCCLUDED = {4: 0, 3: 1, 2: 2, 1: 3}
"""KITTI's level of occlusion for nuScenes' level of visibility."""


def export_kitti(
    ann_file: str | Path,
    img_prefix: str | Path,
    out: str | Path,
    split: str = 'train',
    on_progress: Callable[[], None] | None = None,
) -> int:
    """Writes ``training/image_2, calib, label_2`` and ``ImageSets/SPLIT.txt``.

    Several splits may be written into one folder, one after the other.

    Args:
        ann_file: Annotation file of nuScenes' or KITTI's classes.
        img_prefix: Folder of its images.
        out: Folder to write.
        split: Name of the list of frames.
        on_progress: Called after each image.

    Returns:
        Number of frames.

    Raises:
        FileExistsError: If the split is there already.
        FileNotFoundError: If an image is missing.
        ValueError: If the annotation file is not sound.
    """
    content = sound_annotations(ann_file)
    training, listing = Path(out) / 'training', Path(out) / 'ImageSets' / f'{split}.txt'
    if listing.exists():
        raise FileExistsError(f'{listing} exists; choose another folder or split')
    for folder in (listing.parent, *(training / name for name in ('image_2', 'calib', 'label_2'))):
        folder.mkdir(parents=True, exist_ok=True)
    groups = by_image(content)
    names = {category['id']: category['name'] for category in content['categories']}
    first = len(list((training / 'calib').iterdir()))
    frames = []
    for number, image in enumerate(content['images'], start=first):
        frame = f'{number:06d}'
        source = Path(img_prefix) / image['file_name']
        if not source.is_file():
            raise FileNotFoundError(f'no image {source}; check the folder of the images')
        shutil.copyfile(source, training / 'image_2' / f'{frame}{source.suffix}')
        (training / 'calib' / f'{frame}.txt').write_text(calibration(image))
        objects = objects_of(complete_annotations(image, groups[image['id']]), names)
        write_labels(training / 'label_2' / f'{frame}.txt', objects)
        frames.append(frame)
        if on_progress is not None:
            on_progress()
    listing.write_text('\n'.join(frames) + '\n')
    return len(frames)


def calibration(image: Mapping) -> str:
    """Text of the calibration file: camera 2 beside camera 0, the other cameras likewise."""
    matrix = np.array(image['cam_intrinsic'], dtype=np.float64)[:3, :3]
    lines = []
    for camera in range(4):
        column = matrix @ OFFSET if camera == 2 else np.zeros(3)
        numbers = np.concatenate([matrix, column[:, None]], axis=1).ravel()
        lines.append(f'P{camera}: ' + ' '.join(f'{number:.12e}' for number in numbers))
    return '\n'.join(lines) + '\n'


def objects_of(annotations: list[dict], names: Mapping) -> KittiObjects:
    """Annotations that an image shows as KITTI's objects; classes without a counterpart go."""
    types, rows = [], []
    for annotation in annotations:
        kind = TYPES.get(names[annotation['category_id']])
        x, y, width, height = annotation['bbox']
        if kind is None or min(width, height) <= 0:
            continue
        center, extent, yaw = np.split(np.array(annotation['bbox_cam3d'], dtype=float), [3, 6])
        bottom = center - OFFSET + [0, extent[1] / 2, 0]
        occluded = OCCLUDED.get(annotation.get('visibility') or 4, 0)
        alpha = yaw[0] - np.arctan2(bottom[0], bottom[2])
        bbox = [x, y, x + width, y + height]
        truncated = annotation.get('truncation') or 0.0
        types.append(kind)
        rows.append([truncated, occluded, alpha, *bbox, *extent[[1, 2, 0]], *bottom, yaw[0]])
    return KittiObjects.of_rows(types, np.array(rows, dtype=np.float64).reshape(-1, 14))

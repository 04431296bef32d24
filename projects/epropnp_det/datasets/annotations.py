"""Checks and selection of the annotations in a ``*_mono3d.coco.json``."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmdet3d.core.bbox import CameraInstance3DBoxes

IMAGE_FIELDS = ('id', 'file_name', 'width', 'height', 'cam_intrinsic')
NO_ATTRIBUTE = 8


class Role(enum.Enum):
    """What an annotation is in training."""

    OBJECT = 'ground truth'
    IGNORED = 'neither ground truth nor background'
    ABSENT = 'background'


class AnnotationFilter(NamedTuple):
    """Which annotations are ground truth (method.md 6.2); None switches a criterion off.

    Visibility and truncation are optional fields of the file; where they are absent, they pass.

    Attributes:
        min_visibility: Least nuScenes visibility level, 1 (under 40 %) to 4 (over 80 %).
        max_truncation: Largest share of the box outside the image.
        min_box_size: Least side of the 2D box in pixels of the original image; mmdet3d drops boxes
            below one pixel.
        ignore_hidden: Whether objects below ``min_visibility`` are ignored; if not, they are
            trained as background, as the authors' code does with all that fails here.
    """

    min_visibility: int | None = None
    max_truncation: float | None = None
    min_box_size: float | None = 1.0
    ignore_hidden: bool = True

    def role(self, annotation: Mapping) -> Role:
        """Role of an annotation that lies in the image and is of a wanted class."""
        visibility = annotation.get('visibility') or 4
        if self.min_visibility is not None and visibility < self.min_visibility:
            return Role.IGNORED if self.ignore_hidden else Role.ABSENT
        if self.max_truncation is not None:
            truncation = annotation.get('truncation')
            if truncation is not None and truncation > self.max_truncation:
                return Role.IGNORED
        if self.min_box_size is not None and min(annotation['bbox'][2:]) < self.min_box_size:
            return Role.IGNORED
        return Role.IGNORED if annotation.get('iscrowd', False) else Role.OBJECT


def lies_in_image(annotation: Mapping, width: float, height: float) -> bool:
    """Whether the 2D box meets the image."""
    x, y, box_width, box_height = annotation['bbox']
    meets = x + box_width > 0 and x < width and y + box_height > 0 and y < height
    return meets and annotation['area'] > 0


def read_annotation_file(path: str | Path) -> dict:
    """Parses an annotation file.

    Raises:
        ValueError: If it is no json object, for instance because it was cut short.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f'{path} is not json, or was cut short ({error}); make it anew') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds a json {type(content).__name__}, not a *_mono3d.coco.json')
    return content


def check_annotation_file(content: Mapping, path: str, classes: Sequence[str]) -> None:
    """Checks what cannot be mended later.

    Args:
        content: The parsed file.
        path: Its name, for messages.
        classes: Class names that the data set wants.

    Raises:
        ValueError: If parts or fields are missing, ids repeat, annotations name no image or no
            category, or a box is not finite or has no extent.
    """
    missing = [key for key in ('images', 'annotations', 'categories') if key not in content]
    if missing:
        raise ValueError(
            f'{path} lacks {missing}; it is not a *_mono3d.coco.json, which '
            "tools/prepare_nuscenes.py or mmdet3d's create_data.py write"
        )
    names = {category['name'] for category in content['categories']}
    unknown = [name for name in classes if name not in names]
    if unknown:
        raise ValueError(f'{path} has no categories {unknown}; it has {sorted(names)}')
    for image in content['images']:
        problem = _image_problem(image)
        if problem:
            raise ValueError(f'{path}: image {image.get("id", "without id")} {problem}')
    image_ids = _unique_ids(content['images'], path, 'image')
    _unique_ids(content['annotations'], path, 'annotation')
    category_ids = {category['id'] for category in content['categories']}
    for annotation in content['annotations']:
        problem = _problem(annotation, image_ids, category_ids)
        if problem:
            raise ValueError(f'{path}: annotation {annotation["id"]} {problem}')


def _unique_ids(records: Sequence[Mapping], path: str, kind: str) -> set:
    ids: set = set()
    for record in records:
        if record.get('id') is None or record['id'] in ids:
            raise ValueError(f'{path}: {kind} id {record.get("id")} is missing or not unique')
        ids.add(record['id'])
    return ids


def _image_problem(image: Mapping) -> str | None:
    absent = [key for key in IMAGE_FIELDS if key not in image]
    if absent:
        return f'lacks {absent}'
    if min(image['width'], image['height']) <= 0:
        return f'has the size {image["width"]} x {image["height"]}'
    rows = image['cam_intrinsic']
    if len(rows) < 3 or any(len(row) < 3 for row in rows):
        return f'has intrinsics that are not 3 x 3: {rows}'
    sound = all(math.isfinite(value) for row in rows for value in row)
    if not sound or rows[0][0] <= 0 or rows[1][1] <= 0 or list(rows[2][:3]) != [0, 0, 1]:
        return f'has intrinsics without positive focal lengths and last row 0 0 1: {rows}'
    return None


def _problem(annotation: Mapping, image_ids: set, category_ids: set) -> str | None:
    if annotation.get('image_id') not in image_ids:
        return f'belongs to image {annotation.get("image_id")}, which is not in the file'
    if annotation.get('category_id') not in category_ids:
        return f'has category {annotation.get("category_id")}, which is not in the file'
    if 'bbox_cam3d' not in annotation:
        return 'lacks bbox_cam3d; was the file written with mono3d=True?'
    box = annotation['bbox_cam3d']
    numbers = [*box, *annotation.get('bbox', ()), *annotation.get('center2d', ())]
    if len(box) != 7 or not all(map(math.isfinite, numbers)):
        return f'has a box that is not finite or not seven numbers: {box}'
    if min(box[3:6]) <= 0:
        return f'has a box without extent: dimensions {box[3:6]}'
    return None


def parse_annotations(
    objects: Sequence[Mapping], ignored: Sequence[Mapping], cat2label: Mapping
) -> dict:
    """Arrays of the ground truth of one image, under mmdet3d's names.

    Args:
        objects: Annotations that are ground truth.
        ignored: Annotations that are ignored.
        cat2label: Label of each category id.

    Returns:
        ``bboxes, labels, gt_bboxes_3d, gt_labels_3d, attr_labels, centers2d, depths,
        bboxes_ignore`` as mmdet3d has them, and ``truncation`` (n,), zero where unknown. Unknown
        velocities are NaN.
    """

    def array(values: list, *shape: int) -> np.ndarray:
        return np.array(values, dtype=np.float32).reshape(-1, *shape)

    unknown = [math.nan, math.nan]
    boxes = array([ann['bbox_cam3d'] for ann in objects], 7)
    velocities = array([ann.get('velo_cam3d', unknown) for ann in objects], 2)
    centers = array([ann['center2d'] for ann in objects], 3)
    labels = np.array([cat2label[ann['category_id']] for ann in objects], dtype=np.int64)
    nine = np.concatenate([boxes, velocities], axis=1)  # (n, 9)
    attributes = [ann.get('attribute_id', NO_ATTRIBUTE) for ann in objects]
    return {
        'bboxes': _corners([ann['bbox'] for ann in objects]),
        'labels': labels,
        'gt_bboxes_3d': CameraInstance3DBoxes(nine, box_dim=9, origin=(0.5, 0.5, 0.5)),
        'gt_labels_3d': labels.copy(),
        'attr_labels': np.array(attributes, dtype=np.int64),
        'centers2d': centers[:, :2],
        'depths': centers[:, 2],
        'bboxes_ignore': _corners([ann['bbox'] for ann in ignored]),
        'truncation': array([ann.get('truncation') or 0 for ann in objects]),
    }


def _corners(bboxes: list) -> np.ndarray:
    """Boxes ``x1 y1 x2 y2`` of coco's ``x y width height``, float32 (n, 4)."""
    array = np.array(bboxes, dtype=np.float64).reshape(-1, 4)
    array[:, 2:] += array[:, :2]
    return array.astype(np.float32)

"""Selection and parsing of the annotations in a ``*_mono3d.coco.json``."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from mmdet3d.core.bbox import CameraInstance3DBoxes

NO_ATTRIBUTE = 8  # known to have none
UNKNOWN_ATTRIBUTE = -100  # what cross-entropy passes over


class Role(enum.Enum):
    """What an annotation is in training."""

    OBJECT = 'ground truth'
    IGNORED = 'neither ground truth nor background'
    ABSENT = 'background'


class AnnotationFilter(NamedTuple):
    """Which annotations are ground truth (docs/method.md 6.2); None switches a criterion off.

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
        velocities are NaN, unknown attributes ``UNKNOWN_ATTRIBUTE``: neither is trained.
    """

    def array(values: list, *shape: int) -> np.ndarray:
        return np.array(values, dtype=np.float32).reshape(-1, *shape)

    unknown = [math.nan, math.nan]
    boxes = array([ann['bbox_cam3d'] for ann in objects], 7)
    velocities = array([ann.get('velo_cam3d', unknown) for ann in objects], 2)
    centers = array([ann['center2d'] for ann in objects], 3)
    labels = np.array([cat2label[ann['category_id']] for ann in objects], dtype=np.int64)
    nine = np.concatenate([boxes, velocities], axis=1)  # (n, 9)
    attributes = [ann.get('attribute_id', UNKNOWN_ATTRIBUTE) for ann in objects]
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

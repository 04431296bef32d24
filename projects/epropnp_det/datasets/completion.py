"""Fills in what follows from the rest, so that an annotation file of one's own can be short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ..boxes.arrays import UNIT_CORNERS, points_of_boxes, rotations
from ..boxes.image_extent import image_bboxes

OPTIONAL = ('bbox', 'area', 'center2d')


def complete_annotations(image: Mapping, annotations: Iterable[Mapping]) -> list[dict]:
    """Annotations of an image with ``bbox``, ``area`` and ``center2d``.

    Where a file does not have them they are projected from the 3D box as our converter does. A box
    that the image does not show gets the empty ``bbox`` 0 0 0 0, which is never trained.

    Args:
        image: ``cam_intrinsic`` (3 x 3), ``width`` and ``height``.
        annotations: Each with ``bbox_cam3d`` and any other fields.
    """
    completed = [dict(annotation) for annotation in annotations]
    short = [a for a in completed if any(key not in a for key in OPTIONAL)]
    if not short:
        return completed
    cam2img = np.array(image['cam_intrinsic'], dtype=np.float64)[:3, :3]
    boxes = np.array([annotation['bbox_cam3d'] for annotation in short], dtype=np.float64)
    centers = boxes[:, :3]
    corners = points_of_boxes(UNIT_CORNERS, centers, boxes[:, 3:6], rotations(boxes[:, 6]))
    bboxes = image_bboxes(corners, cam2img, (image['width'], image['height']))
    homogeneous = centers @ cam2img.T
    pixels = homogeneous[:, :2] / np.maximum(homogeneous[:, 2:], 1e-3)
    for annotation, bbox, pixel, depth in zip(short, bboxes, pixels, centers[:, 2]):
        x1, y1, x2, y2 = np.nan_to_num(bbox).tolist() if depth > 0 else [0.0] * 4
        annotation.setdefault('bbox', [x1, y1, x2 - x1, y2 - y1])
        annotation.setdefault('area', annotation['bbox'][2] * annotation['bbox'][3])
        annotation.setdefault('center2d', [*pixel.tolist(), float(depth)])
    return completed

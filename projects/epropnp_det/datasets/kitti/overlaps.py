"""Overlaps of boxes as KITTI measures them: in the image, from above, and in space."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.ops import box_iou_rotated

from .files import KittiObjects


def image_overlaps(first: np.ndarray, second: np.ndarray, of_first: bool = False) -> np.ndarray:
    """Intersection over union of 2D boxes.

    Args:
        first: x1 y1 x2 y2, (n, 4).
        second: (m, 4).
        of_first: Whether to divide by the area of the first box instead.

    Returns:
        (n, m).
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(min=0).prod(-1)
    area = (first[:, 2:] - first[:, :2]).prod(-1)[:, None]
    if not of_first:
        area = area + (second[:, 2:] - second[:, :2]).prod(-1)[None] - shared
    return np.divide(shared, area, out=np.zeros_like(shared), where=area > 0)


def ground_intersections(first: KittiObjects, second: KittiObjects) -> np.ndarray:
    """Areas that boxes share seen from above, in square metres, (n, m).

    mmdet3d's needs numba.cuda; this takes mmcv's operator, which has a CPU version.
    """
    if not len(first.yaws) or not len(second.yaws):
        return np.zeros((len(first.yaws), len(second.yaws)))
    areas = (first.dims[:, 2] * first.dims[:, 1])[:, None]
    share = box_iou_rotated(_rectangles(first), _rectangles(second), mode='iof')
    return share.numpy().astype(np.float64) * areas


def _rectangles(objects: KittiObjects) -> torch.Tensor:
    """x, z, length, width and the angle from +x towards +z, which is against the yaw."""
    rows = np.stack(
        [
            objects.locations[:, 0],
            objects.locations[:, 2],
            objects.dims[:, 2],
            objects.dims[:, 1],
            -objects.yaws,
        ],
        axis=1,
    )
    return torch.from_numpy(rows).float()


def ground_overlaps(first: KittiObjects, second: KittiObjects) -> np.ndarray:
    """Intersection over union seen from above, (n, m)."""
    shared = ground_intersections(first, second)
    areas = [objects.dims[:, 2] * objects.dims[:, 1] for objects in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


def box_overlaps(first: KittiObjects, second: KittiObjects) -> np.ndarray:
    """Intersection over union in space, (n, m); y points down, locations are on the ground."""
    shared = ground_intersections(first, second)
    bottom = np.minimum(first.locations[:, None, 1], second.locations[None, :, 1])
    top = np.maximum(
        (first.locations[:, 1] - first.dims[:, 0])[:, None],
        (second.locations[:, 1] - second.dims[:, 0])[None],
    )
    shared = shared * (bottom - top).clip(min=0)
    volumes = [objects.dims.prod(-1) for objects in (first, second)]
    return shared / (volumes[0][:, None] + volumes[1][None] - shared)

"""Overlaps of boxes as KITTI measures them: in the image, from above, and in space."""

from __future__ import annotations

import numpy as np
import shapely

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

    Polygons in double precision: mmdet3d needs numba.cuda for it, and mmcv's operator errs where
    edges lie on each other, as those of a box inside another of the same width do (0.14 for 0.33).
    """
    if not len(first.yaws) or not len(second.yaws):
        return np.zeros((len(first.yaws), len(second.yaws)))
    pairs = _rectangles(first)[:, None], _rectangles(second)[None]
    return shapely.area(shapely.intersection(*pairs))


def _rectangles(objects: KittiObjects) -> np.ndarray:
    """Polygons in the plane of x and z, (n,); a heading of yaw points to (cos, -sin)."""
    signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
    along, across = (signs[None] * objects.dims[:, None, [2, 1]]).transpose(2, 0, 1)  # (n, 4)
    cos, sin = np.cos(objects.yaws)[:, None], np.sin(objects.yaws)[:, None]
    x = objects.locations[:, :1] + along * cos + across * sin
    z = objects.locations[:, 2:3] - along * sin + across * cos
    return shapely.polygons(np.stack([x, z], axis=-1))


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

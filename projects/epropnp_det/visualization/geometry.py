"""Checks, clipping and projection under every picture; boxes themselves: ``boxes.arrays``.

Pixels are edge based, so the centre of the first pixel is 0.5 (docs/method.md 0), and pictures take
``cam2img`` to map to these, as stock mmdet3d does. A detector of v1 or v1b takes it to map to
pixels that count from the centre of the first one: its boxes are drawn half a pixel to the upper
left of where it saw them, which no picture shows.
"""

from __future__ import annotations

import numpy as np

from ..boxes.arrays import (
    EDGES,
    UNIT_CORNERS,
    Segments,
    as_boxes,
    box_corners,
    cut_at_near_plane,
    project,
    projected_bounds,
    rotations,
)


def as_cam2img(cam2img: np.ndarray) -> np.ndarray:
    """Checks intrinsics and returns their 3 x 3 part as float64.

    Raises:
        ValueError: If the matrix is smaller than 3 x 3, not finite, or has a zero focal length.
    """
    array = np.asarray(cam2img, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 3 or array.shape[1] < 3:
        raise ValueError(f'cam2img must be a (3, 3) or (4, 4) matrix, got shape {array.shape}')
    array = array[:3, :3]
    if not np.isfinite(array).all() or array[0, 0] == 0 or array[1, 1] == 0:
        raise ValueError(f'cam2img needs finite numbers and non-zero focal lengths, got\n{array}')
    return array


def visible_edges(boxes: np.ndarray) -> np.ndarray:
    """Which of the ``EDGES`` a solid box shows to a camera at the origin.

    An edge shows when at least one of its two faces is turned to the camera.

    Args:
        boxes: ``[l, h, w, x, y, z, yaw]``, (n, 7).

    Returns:
        bool (n, 12).
    """
    boxes = as_boxes(boxes)
    eye = -np.einsum('nij,ni->nj', rotations(boxes[:, 6]), boxes[:, 3:6])  # (n, 3), object frame
    signs = 2 * UNIT_CORNERS[EDGES]  # (12, 2, 3)
    shared = np.where(signs[:, 0] == signs[:, 1], signs[:, 0], 0)  # (12, 3)
    outside = shared * eye[:, None] > np.abs(shared) * boxes[:, None, :3] / 2  # (n, 12, 3)
    return outside.any(axis=-1)


def project_segments(segments: np.ndarray, cam2img: np.ndarray, near: float = 0.1) -> Segments:
    """Cuts segments at the near plane, then projects them.

    Args:
        segments: Camera-frame end points, (..., 2, 3).
        cam2img: Intrinsics, (3, 3).
        near: Depth of the near plane in metres.

    Returns:
        Projected segments; those wholly behind the plane hold zeros and are marked invisible.
    """
    cut, visible = cut_at_near_plane(segments, near)
    points = project(cut, as_cam2img(cam2img))
    return Segments(np.where(visible[..., None, None], points, 0.0), visible)


def clip_polygon(polygon: np.ndarray, near: float = 0.1) -> np.ndarray:
    """Cuts a polygon at the near plane (Sutherland-Hodgman with one plane).

    Args:
        polygon: Camera-frame corners in order, (k, 3).
        near: Depth of the near plane in metres.

    Returns:
        Corners of the part in front of the plane, (m, 3); m = 0 where nothing is left.
    """
    kept = []
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0)):
        if start[2] >= near:
            kept.append(start)
        if (start[2] >= near) != (end[2] >= near):
            kept.append(start + (near - start[2]) / (end[2] - start[2]) * (end - start))
    return np.array(kept).reshape(-1, 3)


def clip_to_canvas(segments: np.ndarray, width: float, height: float) -> Segments:
    """Cuts pixel segments to a canvas (Liang-Barsky): no huge number reaches the rasteriser.

    Args:
        segments: End points in pixels, (n, 2, 2).
        width: Canvas width in pixels.
        height: Canvas height in pixels.

    Returns:
        The cut segments, (n, 2, 2), and whether anything of each is left, (n,).
    """
    start, delta = segments[:, 0], segments[:, 1] - segments[:, 0]  # (n, 2)
    slope = np.concatenate([-delta, delta], axis=1)  # (n, 4)
    room = np.concatenate([start, np.array([width, height]) - start], axis=1)
    ratio = room / np.where(slope == 0, 1.0, slope)
    enter = np.where(slope < 0, ratio, 0.0).max(axis=1).clip(min=0)
    leave = np.where(slope > 0, ratio, 1.0).min(axis=1).clip(max=1)
    inside = (enter <= leave) & ~((slope == 0) & (room < 0)).any(axis=1)
    steps = np.stack([enter, leave], axis=1)  # (n, 2)
    points = start[:, None] + steps[..., None] * delta[:, None]
    return Segments(np.where(inside[:, None, None], points, 0.0), inside)


def project_boxes_2d(
    boxes: np.ndarray,
    cam2img: np.ndarray,
    image_size: tuple[float, float] | None = None,
    near: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """Tight 2D boxes around the part of each 3D box in front of the near plane.

    Args:
        boxes: ``[l, h, w, x, y, z, yaw]``, (n, 7).
        cam2img: Intrinsics, (3, 3).
        image_size: Width and height; when given, 2D boxes are clipped to the image.
        near: Depth of the near plane in metres.

    Returns:
        x1, y1, x2, y2 in pixels, (n, 4), zeros where nothing shows; and what shows, bool (n,).
    """
    bounds, edges = projected_bounds(box_corners(boxes), as_cam2img(cam2img), near)
    low, high = bounds[:, :2], bounds[:, 2:]
    visible = edges.visible.any(axis=1)
    if image_size is not None:
        low, high = np.clip(low, 0, image_size), np.clip(high, 0, image_size)
        visible &= (high > low).all(axis=1)
    return np.where(visible[:, None], np.concatenate([low, high], axis=1), 0.0), visible

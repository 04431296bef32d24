"""Box corners, near-plane clipping and projection: the geometry under every picture, in numpy.

Camera frame x right, y down, z forward (metres); boxes ``[l, h, w, x, y, z, yaw]`` about the
geometric centre; pixels are edge based, so the centre of the first pixel is 0.5 (method.md 0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Signs of (x forward, y down, z left) of the eight corners: front face, then rear face, each as
# bottom left, bottom right, top right, top left seen in driving direction.
CORNER_SIGNS = np.array(
    [
        [1, 1, 1],
        [1, 1, -1],
        [1, -1, -1],
        [1, -1, 1],
        [-1, 1, 1],
        [-1, 1, -1],
        [-1, -1, -1],
        [-1, -1, 1],
    ],
    dtype=np.float64,
)

# Corner indices of the twelve edges: front ring, rear ring, the four that join them.
EDGES = np.array(
    [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 0],
        [4, 5],
        [5, 6],
        [6, 7],
        [7, 4],
        [0, 4],
        [1, 5],
        [2, 6],
        [3, 7],
    ]
)

FRONT_FACE = np.array([0, 1, 2, 3])
BOTTOM_FACE = np.array([0, 1, 5, 4])


class Segments(NamedTuple):
    """Projected line segments.

    Attributes:
        points: End points in pixels, (..., 2, 2).
        visible: False where the whole segment lies behind the near plane, (...).
    """

    points: np.ndarray
    visible: np.ndarray


def as_boxes(boxes: np.ndarray) -> np.ndarray:
    """Checks boxes and returns them as float64 (n, 7).

    Args:
        boxes: ``[l, h, w, x, y, z, yaw]``, (n, 7); an empty sequence is fine.

    Raises:
        ValueError: If the last axis has not seven entries.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 7))
    if array.ndim != 2 or array.shape[1] != 7:
        raise ValueError(f'boxes must be (n, 7) as [l, h, w, x, y, z, yaw], got {array.shape}')
    return array


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


def rotations(yaw: np.ndarray) -> np.ndarray:
    """Rotations about +y, object -> camera frame (method.md 0).

    Args:
        yaw: Angles in radians, (n,).

    Returns:
        ``[[c, 0, s], [0, 1, 0], [-s, 0, c]]``, (n, 3, 3).
    """
    cos, sin = np.cos(yaw), np.sin(yaw)
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    rows = [cos, zero, sin, zero, one, zero, -sin, zero, cos]
    return np.stack(rows, axis=-1).reshape(-1, 3, 3)


def box_corners(boxes: np.ndarray) -> np.ndarray:
    """Corners of boxes in the camera frame, ordered as ``CORNER_SIGNS``.

    Args:
        boxes: ``[l, h, w, x, y, z, yaw]``, (n, 7).

    Returns:
        Metres, (n, 8, 3).
    """
    boxes = as_boxes(boxes)
    local = CORNER_SIGNS * boxes[:, None, :3] / 2  # (n, 8, 3)
    return local @ rotations(boxes[:, 6]).transpose(0, 2, 1) + boxes[:, None, 3:6]


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
    signs = CORNER_SIGNS[EDGES]  # (12, 2, 3)
    shared = np.where(signs[:, 0] == signs[:, 1], signs[:, 0], 0)  # (12, 3)
    outside = shared * eye[:, None] > np.abs(shared) * boxes[:, None, :3] / 2  # (n, 12, 3)
    return outside.any(axis=-1)


def project(points: np.ndarray, cam2img: np.ndarray) -> np.ndarray:
    """Pinhole projection of points in front of the camera.

    Args:
        points: Camera-frame points with z > 0, (..., 3).
        cam2img: Intrinsics, (3, 3).

    Returns:
        Pixels, (..., 2).
    """
    homogeneous = points @ cam2img.T
    return homogeneous[..., :2] / homogeneous[..., 2:]


def project_segments(segments: np.ndarray, cam2img: np.ndarray, near: float = 0.1) -> Segments:
    """Cuts segments at the near plane, then projects them.

    Each segment is cut by itself, so that no result depends on the order of corners or edges
    (method.md W6).

    Args:
        segments: Camera-frame end points, (..., 2, 3).
        cam2img: Intrinsics, (3, 3).
        near: Depth of the near plane in metres.

    Returns:
        Projected segments; those wholly behind the plane hold zeros and are marked invisible.
    """
    segments = np.asarray(segments, dtype=np.float64)
    depth = segments[..., 2]  # (..., 2)
    other = segments[..., ::-1, :]
    span = other[..., 2] - depth
    safe = np.where(span == 0, 1.0, span)
    fraction = np.where(depth < near, (near - depth) / safe, 0.0)
    cut = segments + np.clip(fraction, 0, 1)[..., None] * (other - segments)
    visible = (depth >= near).any(axis=-1)
    cut = np.where(visible[..., None, None], cut, np.array([0.0, 0.0, 1.0]))
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

    The extremes run over the ends of all twelve cut edges, which are the vertices of the cut
    box: the result does not depend on the order of edges (method.md W6).

    Args:
        boxes: ``[l, h, w, x, y, z, yaw]``, (n, 7).
        cam2img: Intrinsics, (3, 3).
        image_size: Width and height; when given, 2D boxes are clipped to the image.
        near: Depth of the near plane in metres.

    Returns:
        x1, y1, x2, y2 in pixels, (n, 4), zeros where nothing shows; and what shows, bool (n,).
    """
    edges = project_segments(box_corners(boxes)[:, EDGES], cam2img, near)  # (n, 12, 2, 2)
    keep = edges.visible[..., None, None]
    low = np.where(keep, edges.points, np.inf).min(axis=(1, 2))  # (n, 2)
    high = np.where(keep, edges.points, -np.inf).max(axis=(1, 2))
    visible = edges.visible.any(axis=1)
    if image_size is not None:
        low, high = np.clip(low, 0, image_size), np.clip(high, 0, image_size)
        visible &= (high > low).all(axis=1)
    return np.where(visible[:, None], np.concatenate([low, high], axis=1), 0.0), visible

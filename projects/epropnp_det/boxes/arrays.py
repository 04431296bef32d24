"""3D boxes as corners and edges, cut at the near plane and projected; numpy, for data and pictures.

Camera frame x right, y down, z forward (metres); boxes ``[l, h, w, x, y, z, yaw]`` about the
geometric centre (docs/method.md 0). Pixels are those that ``cam2img`` maps to. The same in torch,
for the networks, is :mod:`epropnp_det.boxes.tensors`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Corners of a box that spans [-0.5, 0.5] in x forward, y down, z left: front face, then rear face,
# each as bottom left, bottom right, top right, top left seen in driving direction.
UNIT_CORNERS = 0.5 * np.array(
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
    """Line segments, in space or projected.

    Attributes:
        points: End points, (..., 2, 3) or (..., 2, 2).
        visible: False where nothing of the segment is left, (...).
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


def rotations(yaw: np.ndarray) -> np.ndarray:
    """Rotations about +y, object -> camera frame (docs/method.md 0).

    Args:
        yaw: Angles in radians, (n,).

    Returns:
        ``[[c, 0, s], [0, 1, 0], [-s, 0, c]]``, (n, 3, 3).
    """
    cos, sin = np.cos(yaw), np.sin(yaw)
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    rows = [cos, zero, sin, zero, one, zero, -sin, zero, cos]
    return np.stack(rows, axis=-1).reshape(-1, 3, 3)


def points_of_boxes(
    unit_points: np.ndarray, centers: np.ndarray, extents: np.ndarray, rotations: np.ndarray
) -> np.ndarray:
    """Points of each box, given relative to a box that spans [-0.5, 0.5].

    Args:
        unit_points: (p, 3).
        centers: (n, 3).
        extents: Extent along the box's own axes, (n, 3).
        rotations: Box -> frame of the centres, (n, 3, 3).

    Returns:
        (n, p, 3).
    """
    return (unit_points * extents[:, None]) @ rotations.transpose(0, 2, 1) + centers[:, None]


def box_corners(boxes: np.ndarray) -> np.ndarray:
    """Corners of boxes in the camera frame, ordered as ``UNIT_CORNERS``.

    Args:
        boxes: ``[l, h, w, x, y, z, yaw]``, (n, 7).

    Returns:
        Metres, (n, 8, 3).

    Raises:
        ValueError: If the boxes have not seven entries.
    """
    boxes = as_boxes(boxes)
    return points_of_boxes(UNIT_CORNERS, boxes[:, 3:6], boxes[:, :3], rotations(boxes[:, 6]))


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


def cut_at_near_plane(segments: np.ndarray, near: float) -> Segments:
    """Cuts segments at the near plane.

    Each segment is cut by itself, so that no result depends on the order of corners or edges
    (docs/differences.md W6). The ends of the cut edges of a box are the vertices of the cut box.

    Args:
        segments: Camera-frame end points, (..., 2, 3).
        near: Depth of the near plane in metres.

    Returns:
        What lies in front. Segments wholly behind are invisible, and their ends are (0, 0, 1).
    """
    segments = np.asarray(segments, dtype=np.float64)
    depth = segments[..., 2]  # (..., 2)
    other = segments[..., ::-1, :]
    span = other[..., 2] - depth
    safe = np.where(span == 0, 1.0, span)
    fraction = np.where(depth < near, (near - depth) / safe, 0.0)
    cut = segments + np.clip(fraction, 0, 1)[..., None] * (other - segments)
    visible = (depth >= near).any(axis=-1)
    return Segments(np.where(visible[..., None, None], cut, np.array([0.0, 0.0, 1.0])), visible)


def projected_bounds(
    corners: np.ndarray, cam2img: np.ndarray, near: float
) -> tuple[np.ndarray, Segments]:
    """2D boxes around the part of each 3D box in front of the near plane.

    The extremes run over the ends of all twelve cut edges, which are the vertices of the cut box:
    the result does not depend on the order of edges (docs/differences.md W6).

    Args:
        corners: Corners in the camera frame in the order of ``UNIT_CORNERS``, (n, 8, 3).
        cam2img: Intrinsics, (3, 3).
        near: Depth of the near plane in metres.

    Returns:
        ``x1 y1 x2 y2``, unbounded, (n, 4), inf and -inf where nothing lies in front; and the
        projected edges, (n, 12, 2, 2), whose visible ones span them.
    """
    cut, visible = cut_at_near_plane(corners[:, EDGES], near)
    points = project(cut, cam2img)  # (n, 12, 2, 2)
    keep = visible[..., None, None]
    low = np.where(keep, points, np.inf).min(axis=(1, 2))  # (n, 2)
    high = np.where(keep, points, -np.inf).max(axis=(1, 2))
    return np.concatenate([low, high], axis=1), Segments(points, visible)

"""A z-buffer triangle rasteriser, compiled by numba.

Triangles come in world coordinates with outward normals; a pinhole camera looks at them. Depth is
kept as its inverse, which is linear in the image, so perspective is exact. Beside the visible
triangle of every pixel the rasteriser counts how many pixels each object would cover if it stood
alone: visibility levels are therefore exact, not estimated from boxes.

Pixel convention: edges, i.e. the first pixel's centre lies at 0.5 (docs/method.md 0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

# Barycentric tolerance: a pixel centre on the edge of two triangles must not fall between them.
_EDGE = -1e-9
NEAR = 0.2  # metres; nothing of the world comes nearer to a camera than its own vehicle


class View(NamedTuple):
    """A pinhole camera in world coordinates, ready for compiled code.

    Attributes:
        rotation: `(3, 3)` float64, world to camera.
        origin: `(3,)` float64, camera centre in the world, metres.
        focal: `(fx, fy)` in pixels.
        center: principal point `(cx, cy)` in pixels (edge convention).
    """

    rotation: np.ndarray
    origin: np.ndarray
    focal: tuple
    center: tuple


class Buffers(NamedTuple):
    """What the rasteriser fills.

    Attributes:
        inv_depth: `(H, W)` float32, 1 / depth, 0 where nothing was hit.
        triangle: `(H, W)` int32, index of the visible triangle or -1.
        covered: `(n,)` int64, pixels each object would cover if it stood alone.
    """

    inv_depth: np.ndarray
    triangle: np.ndarray
    covered: np.ndarray


@njit(cache=True, error_model='numpy')
def _to_camera(points, rotation, origin, out):
    for k in range(3):
        dx = points[k, 0] - origin[0]
        dy = points[k, 1] - origin[1]
        dz = points[k, 2] - origin[2]
        for a in range(3):
            out[k, a] = rotation[a, 0] * dx + rotation[a, 1] * dy + rotation[a, 2] * dz


@njit(cache=True, error_model='numpy')
def _clip_near(polygon, out):
    """Clip a triangle at the near plane; returns the number of corners left (0, 3 or 4)."""
    count = 0
    for k in range(3):
        j = (k + 1) % 3
        inside, inside_next = polygon[k, 2] >= NEAR, polygon[j, 2] >= NEAR
        if inside:
            out[count] = polygon[k]
            count += 1
        if inside != inside_next:
            s = (NEAR - polygon[k, 2]) / (polygon[j, 2] - polygon[k, 2])
            out[count] = polygon[k] + s * (polygon[j] - polygon[k])
            count += 1
    return count


@njit(cache=True, error_model='numpy')
def _bounds(a, b, c, size):
    low = max(int(np.ceil(min(a, min(b, c)) - 0.5)), 0)
    high = min(int(np.floor(max(a, max(b, c)) - 0.5)), size - 1)
    return low, high


@njit(cache=True, error_model='numpy')
def _fill(corners, index, owner, inv_depth, triangle, stamp, covered):
    """Rasterise one projected triangle; corners `(3, 3)` hold u, v, 1/z."""
    height, width = inv_depth.shape
    (u0, v0, q0), (u1, v1, q1), (u2, v2, q2) = corners
    area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)
    if abs(area) < 1e-9:
        return
    first_row, last_row = _bounds(v0, v1, v2, height)
    first_col, last_col = _bounds(u0, u1, u2, width)
    inv_area = 1.0 / area
    step1, step2 = (v2 - v0) * inv_area, (v0 - v1) * inv_area  # change per column
    for row in range(first_row, last_row + 1):
        y = row + 0.5 - v0
        base1 = (u0 - u2) * y * inv_area
        base2 = (u1 - u0) * y * inv_area
        for col in range(first_col, last_col + 1):
            x = col + 0.5 - u0
            w1, w2 = base1 + x * step1, base2 + x * step2
            w0 = 1.0 - w1 - w2
            if w0 < _EDGE or w1 < _EDGE or w2 < _EDGE:
                continue
            if owner >= 0 and stamp[row, col] != owner:
                stamp[row, col] = owner
                covered[owner] += 1
            q = w0 * q0 + w1 * q1 + w2 * q2
            if q > inv_depth[row, col]:
                inv_depth[row, col] = q
                triangle[row, col] = index


@njit(cache=True, error_model='numpy')
def rasterize(triangles, normals, owners, view, inv_depth, triangle, covered):
    """Draw triangles into the buffers, front faces only.

    The triangles of one object must be contiguous, or `covered` counts pixels twice.

    Args:
        triangles: `(T, 3, 3)` float32 corners in the world, metres.
        normals: `(T, 3)` float32 outward normals.
        owners: `(T,)` int32 object index, -1 for scenery (not counted in `covered`).
        view: the camera.
        inv_depth: `(H, W)` float32, updated.
        triangle: `(H, W)` int32, updated.
        covered: `(n,)` int64, updated.
    """
    stamp = np.full(inv_depth.shape, -1, np.int32)
    camera = np.empty((3, 3))
    polygon = np.empty((4, 3))
    corners = np.empty((3, 3))
    fx, fy = view.focal
    cx, cy = view.center
    for t in range(len(triangles)):
        facing = 0.0
        for a in range(3):
            facing += normals[t, a] * (triangles[t, 0, a] - view.origin[a])
        if facing >= 0.0:
            continue
        _to_camera(triangles[t], view.rotation, view.origin, camera)
        count = _clip_near(camera, polygon)
        for k in range(count):
            z = polygon[k, 2]
            polygon[k, 0] = fx * polygon[k, 0] / z + cx
            polygon[k, 1] = fy * polygon[k, 1] / z + cy
            polygon[k, 2] = 1.0 / z
        for k in range(1, count - 1):
            corners[0], corners[1], corners[2] = polygon[0], polygon[k], polygon[k + 1]
            _fill(corners, t, owners[t], inv_depth, triangle, stamp, covered)


def draw(
    triangles: np.ndarray,
    normals: np.ndarray,
    owners: np.ndarray,
    num_objects: int,
    view: View,
    size: tuple,
) -> Buffers:
    """Draw triangles into fresh buffers.

    Args:
        triangles: `(T, 3, 3)` float32 corners in the world, metres.
        normals: `(T, 3)` float32 outward normals.
        owners: `(T,)` int32 object index, -1 for scenery; one object's triangles are contiguous.
        num_objects: number of objects n.
        view: the camera.
        size: `(width, height)` in pixels.

    Returns:
        The filled buffers.
    """
    width, height = size
    buffers = Buffers(
        np.zeros((height, width), np.float32),
        np.full((height, width), -1, np.int32),
        np.zeros(num_objects, np.int64),
    )
    rasterize(triangles, normals, owners, view, *buffers)
    return buffers

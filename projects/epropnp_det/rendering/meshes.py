"""Convex solids and how they are put together into coloured triangle meshes.

Every solid is convex, so its faces are turned outward by looking away from its centre; nothing
depends on the winding in which corners are listed. Object frame: x forward, y left, z up, ground at
z = 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

_BOX_QUADS = np.array(
    [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
)
_BOX_FACES = np.concatenate([_BOX_QUADS[:, [0, 1, 2]], _BOX_QUADS[:, [0, 2, 3]]])  # (12, 3)


class Mesh(NamedTuple):
    """A bag of coloured triangles.

    Attributes:
        triangles: `(T, 3, 3)` float32 corners, metres.
        colors: `(T, 3)` float32 RGB albedo in 0..1.
        materials: `(T,)` int32; whoever shades the mesh gives these numbers a meaning.
    """

    triangles: np.ndarray
    colors: np.ndarray
    materials: np.ndarray


def _cross(triangles: np.ndarray) -> np.ndarray:
    """Right-hand normals `(T, 3)`, not normalised; numpy's cross is slow on small arrays."""
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)


def convex(
    points: np.ndarray, faces: np.ndarray, color: Sequence[float], material: int = 0
) -> Mesh:
    """A convex solid from corners `(n, 3)` and triangles `(T, 3)`; faces are turned outward."""
    points = np.asarray(points, np.float64)
    inside = points.mean(0)
    triangles = points[faces]  # (T, 3, 3)
    outward = ((triangles[:, 0] - inside) * _cross(triangles)).sum(1) >= 0
    triangles = np.where(outward[:, None, None], triangles, triangles[:, ::-1])
    count = len(triangles)
    return Mesh(
        triangles.astype(np.float32),
        np.tile(np.asarray(color, np.float32), (count, 1)),
        np.full(count, material, np.int32),
    )


def block(
    x: Sequence[float],
    y: Sequence[float],
    z: Sequence[float],
    color: Sequence[float],
    material: int = 0,
    top_x: Sequence[float] = None,
    top_y: Sequence[float] = None,
) -> Mesh:
    """A box, or a frustum when the top has its own extent.

    Args:
        x: lowest and highest x at the bottom, metres.
        y: lowest and highest y at the bottom.
        z: bottom and top.
        color: RGB in 0..1.
        material: of all triangles.
        top_x: extent in x at the top; that of the bottom when None.
        top_y: extent in y at the top; that of the bottom when None.

    Returns:
        A mesh of 12 triangles.
    """
    rows = []
    for (x0, x1), (y0, y1), height in ((x, y, z[0]), (top_x or x, top_y or y, z[1])):
        rows += [(x0, y0, height), (x1, y0, height), (x1, y1, height), (x0, y1, height)]
    return convex(np.array(rows), _BOX_FACES, color, material)


def _across(axis: np.ndarray) -> np.ndarray:
    """Two unit vectors `(2, 3)` at right angles to an axis and to each other; one is level."""
    x, y, z = (axis / np.sqrt(axis @ axis)).tolist()
    level = np.hypot(x, y)
    if level < 1e-6:
        return np.eye(3)[:2]
    return np.array([[y / level, -x / level, 0.0], [x * z / level, y * z / level, -level]])


def beam(
    start: Sequence[float], end: Sequence[float], width: float, color: Sequence[float]
) -> Mesh:
    """A square bar of a width between two points."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    side, up = _across(end - start)
    ring = width / 2 * np.stack([side + up, side - up, -side - up, -side + up])
    return convex(np.concatenate([start + ring, end + ring]), _BOX_FACES, color)


def tube(
    start: Sequence[float],
    end: Sequence[float],
    radii: Sequence[float],
    color: Sequence[float],
    sides: int = 10,
) -> Mesh:
    """A cylinder or truncated cone between two points with a radius at either end."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    side, up = _across(end - start)
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    circle = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up  # (n, 3)
    points = np.concatenate([start + radii[0] * circle, end + radii[1] * circle])
    i = np.arange(sides)
    j = (i + 1) % sides
    walls = np.concatenate([np.stack([i, j, j + sides], 1), np.stack([i, j + sides, i + sides], 1)])
    lids = np.stack([np.zeros(sides - 2, int), i[1:-1], i[2:]], 1)
    return convex(points, np.concatenate([walls, lids, lids + sides]), color)


def ellipsoid(
    center: Sequence[float],
    radii: Sequence[float],
    color: Sequence[float],
    material: int = 0,
    sides: int = 8,
    rings: int = 5,
) -> Mesh:
    """An ellipsoid with half axes `radii`, of `sides` x `rings` faces."""
    polar = np.pi * np.arange(1, rings) / rings
    angle = 2 * np.pi * np.arange(sides) / sides
    grid = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(angle),
            np.sin(polar)[:, None] * np.sin(angle),
            np.cos(polar)[:, None] * np.ones(sides),
        ],
        -1,
    ).reshape(-1, 3)
    points = np.concatenate([grid, [[0, 0, 1.0], [0, 0, -1.0]]]) * radii + center
    top, bottom = len(grid), len(grid) + 1
    i = np.arange(sides)
    j = (i + 1) % sides
    faces = [np.stack([np.full(sides, top), i, j], 1)]
    for ring in range(rings - 2):
        a, b = ring * sides, (ring + 1) * sides
        faces += [np.stack([a + i, a + j, b + j], 1), np.stack([a + i, b + j, b + i], 1)]
    last = (rings - 2) * sides
    faces.append(np.stack([np.full(sides, bottom), last + i, last + j], 1))
    return convex(points, np.concatenate(faces), color, material)


def wheel(x: float, y: float, radius: float, width: float) -> Mesh:
    """A tyre with a bright hub that stands on the ground at `(x, y)`, rolling along x."""
    half, hub = width / 2, 0.55 * radius
    return join(
        [
            tube(
                (x, y - half, radius), (x, y + half, radius), (radius, radius), (0.06, 0.06, 0.06)
            ),
            tube(
                (x, y - 1.04 * half, radius),
                (x, y + 1.04 * half, radius),
                (hub, hub),
                (0.55, 0.55, 0.57),
                8,
            ),
        ]
    )


def ring(center: Sequence[float], radius: float, color: Sequence[float], width: float) -> Mesh:
    """A thin wheel in the xz plane that one can see through."""
    angle = 2 * np.pi * np.arange(11) / 10
    rim = np.asarray(center) + radius * np.stack(
        [np.cos(angle), np.zeros_like(angle), np.sin(angle)], 1
    )
    spokes = [beam(rim[k], rim[k + 5], 0.4 * width, (0.6, 0.6, 0.6)) for k in (0, 2, 4)]
    return join([beam(a, b, width, color) for a, b in zip(rim[:-1], rim[1:])] + spokes)


def join(meshes: Iterable[Mesh]) -> Mesh:
    """One mesh from several."""
    return Mesh(*(np.concatenate(field) for field in zip(*meshes)))


def fit(mesh: Mesh, size: Sequence[float]) -> Mesh:
    """Scale and shift a mesh so that it fills its box exactly.

    Args:
        mesh: any mesh.
        size: length, width, height of the box in metres.

    Returns:
        The mesh with extent `[-l/2, l/2] x [-w/2, w/2] x [0, h]`.
    """
    points = mesh.triangles.reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    size = np.asarray(size, np.float32)
    origin = np.array([-0.5, -0.5, 0.0], np.float32) * size
    return mesh._replace(triangles=(mesh.triangles - low) / (high - low) * size + origin)


def face_normals(triangles: np.ndarray) -> np.ndarray:
    """Unit normals `(T, 3)` of triangles `(T, 3, 3)`."""
    normals = _cross(triangles)
    return normals / np.maximum(np.sqrt((normals**2).sum(1, keepdims=True)), 1e-12)

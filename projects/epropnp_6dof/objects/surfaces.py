"""Renderings of a mesh seen by a pinhole camera: surface points, attributes of vertices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from epropnp_det.rendering.rasterizer import View, draw

from .models import Mesh


class Surface(NamedTuple):
    """What a camera sees of a mesh.

    Attributes:
        left: First column of the window in the image.
        top: First row.
        hit: Where the mesh is seen, (h, w) bool.
        points: Object-frame points in metres, zero elsewhere, (h, w, 3) float32.
        depth: Metres, zero elsewhere, (h, w) float32.
        triangle: Index of the visible face or -1, (h, w).
    """

    left: int
    top: int
    hit: np.ndarray
    points: np.ndarray
    depth: np.ndarray
    triangle: np.ndarray


def render_surface(
    mesh: Mesh, rotation: np.ndarray, translation: np.ndarray, cam2img: np.ndarray, size: tuple
) -> Surface:
    """Casts a ray through the centre of every pixel of the object's bounding rectangle.

    Args:
        mesh: In metres.
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        cam2img: Without skew; integers are pixel centres (docs/method_6dof.md 2.5), (3, 3).
        size: Width and height of the image.

    Returns:
        The part of the image that holds the object; empty where the object is outside.
    """
    seen = mesh.vertices @ rotation.T + translation
    window = _window(seen, cam2img, size)
    left, top, width, height = window
    if width <= 0 or height <= 0:
        return Surface(left, top, *_nothing())
    triangles = seen[mesh.faces].astype(np.float32)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    # Both sides are drawn: many scanned meshes have holes or mixed windings.
    normals *= -np.sign((normals * triangles[:, 0]).sum(1, keepdims=True))
    view = View(
        np.eye(3),
        np.zeros(3),
        (float(cam2img[0, 0]), float(cam2img[1, 1])),
        (float(cam2img[0, 2] + 0.5 - left), float(cam2img[1, 2] + 0.5 - top)),
    )
    owners = np.full(len(triangles), -1, np.int32)
    buffers = draw(triangles, normals.astype(np.float32), owners, 0, view, (width, height))
    hit = buffers.triangle >= 0
    depth = np.zeros((height, width), np.float32)
    depth[hit] = 1 / buffers.inv_depth[hit]
    rows, columns = np.nonzero(hit)
    rays = np.stack([columns + left, rows + top, np.ones(len(rows))], 1) @ np.linalg.inv(cam2img).T
    points = np.zeros((height, width, 3), np.float32)
    points[hit] = (rays * depth[hit][:, None] - translation) @ rotation
    return Surface(left, top, hit, points, depth, buffers.triangle)


def _window(seen: np.ndarray, cam2img: np.ndarray, size: tuple) -> tuple[int, int, int, int]:
    """Bounding rectangle of the projected vertices in the image: left, top, width, height."""
    width, height = size
    if seen[:, 2].min() <= 1e-6:
        return 0, 0, width, height
    pixels = seen @ cam2img.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    low = np.clip(np.floor(pixels.min(0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(pixels.max(0)) + 1, 0, (width, height)).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _nothing() -> tuple[np.ndarray, ...]:
    return (
        np.zeros((0, 0), bool),
        np.zeros((0, 0, 3), np.float32),
        np.zeros((0, 0), np.float32),
        np.zeros((0, 0), np.int32),
    )


def barycentric(mesh: Mesh, surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the visible faces and their shares in each point.

    Returns:
        Vertex indices (n, 3) and shares (n, 3) of the ``n`` pixels where ``surface.hit``.
    """
    corners = mesh.faces[surface.triangle[surface.hit]]  # (n, 3)
    a, b, c = (mesh.vertices[corners[:, k]] for k in range(3))
    ab, ac, ap = b - a, c - a, surface.points[surface.hit] - a
    dot = lambda x, y: (x * y).sum(1)  # noqa: E731
    d00, d01, d11 = dot(ab, ab), dot(ab, ac), dot(ac, ac)
    d20, d21 = dot(ap, ab), dot(ap, ac)
    scale = np.maximum(d00 * d11 - d01 * d01, 1e-30)
    second, third = (d11 * d20 - d01 * d21) / scale, (d00 * d21 - d01 * d20) / scale
    shares = np.clip(np.stack([1 - second - third, second, third], 1), 0, 1)
    return corners, shares / shares.sum(1, keepdims=True)


def interpolate(mesh: Mesh, surface: Surface, values: np.ndarray) -> np.ndarray:
    """Values of the vertices at the visible points, (V, C) -> (n, C)."""
    corners, shares = barycentric(mesh, surface)
    return (values[corners] * shares[..., None]).sum(1)

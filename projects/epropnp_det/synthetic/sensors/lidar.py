"""A 32-beam spinning LiDAR: its rays meet the triangles that the cameras see, and the ground."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..content.cameras import LIDAR_TRANSLATION, LIDAR_YAW
from ..content.materials import GROUND
from ..content.terrain import Frame, Terrain
from .render import Soup

NUM_BEAMS = 32
COLUMNS = 720
ELEVATIONS = np.deg2rad(np.linspace(-30.67, 10.67, NUM_BEAMS))  # ring 0 is the lowest
MAX_RANGE = 80.0  # metres
_COS, _SIN = np.cos(LIDAR_YAW), np.sin(LIDAR_YAW)
MOUNT = Frame(  # on the own vehicle
    np.array([[_COS, -_SIN, 0], [_SIN, _COS, 0], [0, 0, 1.0]]), np.array(LIDAR_TRANSLATION)
)
# Every box stands on the ground and its model touches all six faces: returns from either would lie
# on a face, where noise and rounding decide who is counted. So models are hit a little inside their
# surface and the ground a little below it, both by more than the noise: a box holds the returns of
# its object and none of the road, and a margin of up to 2 cm around it changes nothing.
INSET = 0.02  # metres
SINK = 0.03  # metres
_NOISE = (0.01, 0.015)  # metres, standard deviation and bound


@njit(cache=True, error_model='numpy')
def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@njit(cache=True, error_model='numpy')
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, error_model='numpy')
def _intersect(ray, corner, edge1, edge2):
    """Distance along a unit ray from the origin to a triangle, or -1 (Moeller-Trumbore)."""
    h = _cross(ray, edge2)
    det = _dot(edge1, h)
    if abs(det) < 1e-12:
        return -1.0
    u = -_dot(corner, h) / det
    q = _cross(edge1, corner)
    v = _dot(ray, q) / det
    if u < 0 or v < 0 or u + v > 1:
        return -1.0
    return _dot(edge2, q) / det


@njit(cache=True, error_model='numpy')
def _nearest(directions, triangles, origin, distances, hits):
    """Intersect a grid of rays with triangles that face the origin.

    Args:
        directions: `(B, C, 3)` unit vectors; column c has azimuth -pi + (c + 0.5) * 2 pi / C.
        triangles: `(T, 3, 3)` corners, outward normals by the right-hand rule.
        origin: `(3,)`.
        distances: `(B, C)` metres, lowered where a triangle is nearer.
        hits: `(B, C)` int32, index of that triangle.
    """
    beams, columns = directions.shape[:2]
    step = 2 * np.pi / columns
    p, edge1, edge2 = np.empty((3, 3)), np.empty(3), np.empty(3)
    for t in range(len(triangles)):
        for k in range(3):
            for a in range(3):
                p[k, a] = triangles[t, k, a] - origin[a]
        edge1[:], edge2[:] = p[1] - p[0], p[2] - p[0]
        if _dot(_cross(edge1, edge2), p[0]) >= 0:
            continue
        first = np.arctan2(p[0, 1], p[0, 0])
        low, high, near = 0.0, 0.0, 1e9
        for k in range(3):
            turn = (np.arctan2(p[k, 1], p[k, 0]) - first + np.pi) % (2 * np.pi) - np.pi
            low, high = min(low, turn), max(high, turn)
            near = min(near, np.hypot(p[k, 0], p[k, 1]))
        if near > MAX_RANGE:
            continue
        start = int(np.ceil((first + low + np.pi) / step - 0.5))
        stop = int(np.floor((first + high + np.pi) / step - 0.5))
        for column in range(start, stop + 1):
            c = column % columns
            for b in range(beams):
                distance = _intersect(directions[b, c], p[0], edge1, edge2)
                if 0.5 < distance < distances[b, c]:
                    distances[b, c] = distance
                    hits[b, c] = t


def scan(
    soup: Soup, terrain: Terrain, ego: Frame, rng: np.random.Generator, dropout: float = 0.02
) -> np.ndarray:
    """One revolution.

    Args:
        soup: all triangles of the keyframe in the local frame, models smaller by `INSET`.
        terrain: the ground.
        ego: pose of the own vehicle in the local frame.
        rng: source of the range noise, 1 cm, at most 1.5 cm.
        dropout: share of rays that do not return.

    Returns:
        `(N, 5)` float32: x, y, z in the LiDAR frame in metres, intensity in 0..255, ring.
    """
    sensor = ego.compose(MOUNT)
    origin = sensor.translation
    azimuth = -np.pi + (np.arange(COLUMNS) + 0.5) * 2 * np.pi / COLUMNS
    flat = np.cos(ELEVATIONS)[:, None]
    directions = np.stack(
        np.broadcast_arrays(
            flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(ELEVATIONS)[:, None]
        ),
        -1,
    )  # (B, C, 3), sensor frame
    sunk = origin + (0, 0, SINK)
    ground = terrain.first_hit(sunk, directions @ sensor.rotation.T, MAX_RANGE)
    distances = np.minimum(ground, MAX_RANGE)
    hits = np.full(distances.shape, -1, np.int32)
    solid = np.flatnonzero(soup.materials != GROUND)
    triangles = (soup.triangles[solid] - origin) @ sensor.rotation
    _nearest(np.ascontiguousarray(directions), triangles, np.zeros(3), distances, hits)
    keep = (distances < MAX_RANGE) & (rng.random(distances.shape) > dropout)
    distances = distances + rng.normal(0, _NOISE[0], distances.shape).clip(-_NOISE[1], _NOISE[1])
    points = (directions * distances[..., None])[keep]  # (N, 3)
    albedo = np.where(hits >= 0, soup.colors[solid].mean(1)[hits], 0.25)[keep]
    rings = np.broadcast_to(np.arange(NUM_BEAMS)[:, None], keep.shape)[keep]
    return np.column_stack([points, np.floor(albedo * 120), rings]).astype(np.float32)


@njit(cache=True, error_model='numpy')
def count_points(
    points: np.ndarray, centers: np.ndarray, sizes: np.ndarray, rotations: np.ndarray
) -> np.ndarray:
    """Count the points inside boxes.

    Args:
        points: `(N, 3)` float64, metres.
        centers: `(n, 3)` in the same frame.
        sizes: `(n, 3)` length, width, height.
        rotations: `(n, 3, 3)` from the boxes' frames to that of the points.

    Returns:
        `(n,)` int64.
    """
    counts = np.zeros(len(centers), np.int64)
    for k in range(len(centers)):
        for i in range(len(points)):
            inside = True
            for a in range(3):
                along = 0.0
                for b in range(3):
                    along += rotations[k, b, a] * (points[i, b] - centers[k, b])
                if abs(along) > sizes[k, a] / 2:
                    inside = False
                    break
            counts[k] += inside
    return counts

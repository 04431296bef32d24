"""Houses, trees and street lamps: what is drawn and hit by the LiDAR but never annotated."""

from __future__ import annotations

import numpy as np

from ...rendering.meshes import Mesh, beam, block, ellipsoid, join, tube
from .materials import FACADE, FOLIAGE, STREETLAMP
from .terrain import Terrain
from .world import Street

_WALLS = np.array(
    [
        [0.62, 0.55, 0.47],
        [0.70, 0.69, 0.66],
        [0.52, 0.34, 0.27],
        [0.45, 0.48, 0.52],
        [0.75, 0.66, 0.50],
        [0.38, 0.42, 0.44],
    ]
)


def _shift(mesh: Mesh, x: float, y: float) -> Mesh:
    return mesh._replace(triangles=mesh.triangles + np.array([x, y, 0], np.float32))


def _house(x: float, y: float, length: float, depth: float, rng: np.random.Generator) -> Mesh:
    wall = _WALLS[rng.integers(len(_WALLS))] + rng.uniform(-0.06, 0.06, 3)
    height = rng.choice([2, 3, 4, 6, 9], p=[0.25, 0.3, 0.2, 0.15, 0.1]) * 3.2 + 0.4
    half, d = length / 2, depth / 2
    parts = [
        block((-half, half), (-d, d), (0, height), wall, FACADE),
        block((-half - 0.2, half + 0.2), (-d - 0.2, d + 0.2), (height, height + 0.5), wall * 0.7),
    ]
    if rng.random() < 0.5:
        parts.append(
            block(
                (-0.3 * half, 0.2 * half), (-0.5 * d, 0.5 * d), (height, height + 2.5), wall * 0.8
            )
        )
    return _shift(join(parts), x, y)


def _tree(x: float, y: float, rng: np.random.Generator) -> Mesh:
    green = np.array([0.16, 0.30, 0.10]) + rng.uniform(-0.05, 0.08, 3)
    height = rng.uniform(4.5, 8)
    parts = [tube((0, 0, 0), (0, 0, 0.5 * height), (0.20, 0.13), (0.30, 0.23, 0.17), 7)]
    for k in range(3):
        center = rng.uniform(-0.7, 0.7, 3) + (0, 0, (0.52 + 0.15 * k) * height)
        radii = rng.uniform(1.1, 1.9, 3) * (1 - 0.2 * k)
        parts.append(ellipsoid(center, radii, green * rng.uniform(0.85, 1.15), FOLIAGE, 9, 6))
    return _shift(join(parts), x, y)


def _lamp(x: float, y: float, reach: float) -> Mesh:
    grey, head = (0.40, 0.41, 0.42), sorted((reach, 0.7 * reach))
    parts = [
        tube((0, 0, 0), (0, 0, 7.5), (0.11, 0.07), grey, 7),
        beam((0, 0, 7.4), (0, reach, 7.8), 0.1, grey),
        block((-0.12, 0.12), head, (7.75, 7.9), (0.8, 0.8, 0.76), STREETLAMP),
    ]
    return _shift(join(parts), x, y)


def _raise(mesh: Mesh, terrain: Terrain) -> Mesh:
    """A part of the scenery, lifted to the lowest ground under it."""
    if terrain.level:
        return mesh
    x = mesh.triangles[..., 0]
    ground = terrain.height(np.linspace(x.min(), x.max(), 9)).min()
    return mesh._replace(triangles=mesh.triangles + np.array([0, 0, ground], np.float32))


def make_scenery(
    street: Street, start: float, end: float, rng: np.random.Generator, terrain: Terrain
) -> Mesh:
    """Line a street with houses, trees and lamps, and close its view.

    Args:
        street: the street; its crossing stays open.
        start: lowest x that is lined, metres.
        end: highest x that is lined.
        rng: source of randomness.
        terrain: shape of the ground, part of the mesh unless it is level.

    Returns:
        One mesh in the local frame.
    """
    parts = []
    walk = street.half + street.sidewalk
    for side in (-1, 1):
        lawn = rng.uniform(2.5, 7)
        x = start - 60
        while x < end + 60:
            length, depth = rng.uniform(10, 24), rng.uniform(8, 14)
            middle = x + length / 2
            room = street.cross_half + street.sidewalk + length / 2 + 1
            if abs(middle - street.cross_x) > room and rng.random() < 0.85:
                front = walk + lawn + rng.uniform(0, 2)
                parts.append(_house(middle, side * (front + depth / 2), length, depth, rng))
            x += length + rng.uniform(0.5, 6)
        for x in np.arange(start, end, 11.0):
            where = x + rng.uniform(-3, 3)
            if abs(where - street.cross_x) < street.cross_half + street.sidewalk + 1:
                continue
            chance = rng.random()
            if chance < 0.55:
                parts.append(_tree(where, side * (walk + rng.uniform(1.2, lawn - 0.6)), rng))
            elif chance < 0.8:
                parts.append(_lamp(where, side * (street.half + 0.35), -1.8 * side))
        # The crossing street ends in houses on either side.
        for x in (-14, 14):
            parts.append(_house(street.cross_x + x, side * (walk + 75), 26, 10, rng))
    if not terrain.level:
        parts = [_raise(part, terrain) for part in parts]
        parts.append(terrain.mesh(start - 100, end + 100))
    return join(parts)

"""Solid models of people, two-wheelers, cones and barriers."""

from __future__ import annotations

import numpy as np

from ...rendering.meshes import Mesh, beam, block, ellipsoid, join, ring, tube
from .materials import LAMP
from .models import CAR_PAINTS, DARK, RED_LAMP, STEEL, WHITE_LAMP, _pick

ORANGE = (0.95, 0.36, 0.06)
WHITE = (0.92, 0.92, 0.90)
SKIN = np.array([[0.87, 0.67, 0.54], [0.70, 0.48, 0.35], [0.45, 0.29, 0.20]])
HAIR = np.array([[0.08, 0.06, 0.05], [0.30, 0.18, 0.09], [0.60, 0.50, 0.30], [0.35, 0.35, 0.35]])
CLOTHES = np.array(
    [
        [0.15, 0.20, 0.40],
        [0.65, 0.12, 0.12],
        [0.85, 0.85, 0.82],
        [0.12, 0.12, 0.13],
        [0.20, 0.45, 0.28],
        [0.80, 0.62, 0.15],
        [0.45, 0.25, 0.50],
        [0.35, 0.55, 0.75],
    ]
)
TROUSERS = np.array(
    [[0.10, 0.12, 0.22], [0.13, 0.13, 0.13], [0.40, 0.36, 0.28], [0.25, 0.28, 0.33]]
)


def _head(x: float, z: float, radius: float, rng: np.random.Generator, hat: bool) -> list[Mesh]:
    """A face that looks along +x, hair or a helmet behind it."""
    skin = SKIN[rng.integers(len(SKIN))]
    cover = _pick(CLOTHES, rng) if hat else HAIR[rng.integers(len(HAIR))]
    return [
        ellipsoid((x, 0, z), (radius, 0.85 * radius, 1.15 * radius), skin),
        ellipsoid(
            (x - 0.45 * radius, 0, z + 0.25 * radius),
            (0.95 * radius, 0.95 * radius, 1.1 * radius),
            cover,
        ),
    ]


def pedestrian(
    length: float, width: float, height: float, rng: np.random.Generator, pose: str = 'standing'
) -> Mesh:
    """A person with legs, torso, arms and a head; walking, standing or sitting.

    Args:
        length: extent along the heading, metres: the stride of one who walks.
        width: extent across, metres.
        height: metres.
        rng: source of clothes and poses.
        pose: `moving`, `standing` or `sitting_lying_down`.

    Returns:
        The mesh, about 300 triangles.
    """
    shirt, legs = _pick(CLOTHES, rng), _pick(TROUSERS, rng)
    sitting = pose == 'sitting_lying_down'
    full = height * 1.35 if sitting else height
    hip = 0.36 * height if sitting else 0.48 * full
    stride = 0.42 * length if pose == 'moving' else 0.03
    shoulder = hip + 0.34 * full
    parts = []
    for side, swing in ((-1, stride), (1, -stride)):
        y = side * 0.10
        if sitting:
            knee = (0.42 * length, y, hip)
            parts += [
                beam((0, y, hip), knee, 0.16, legs),
                beam(knee, (0.42 * length, y, 0), 0.13, legs),
            ]
        else:
            parts.append(tube((swing, y, 0.03), (0, y, hip), (0.065, 0.10), legs, 7))
        parts.append(block((swing - 0.07, swing + 0.17), (y - 0.05, y + 0.05), (0, 0.09), DARK))
        hand = (-0.8 * swing + 0.06, side * (0.42 * width), hip + 0.02)
        parts.append(tube((0, side * 0.36 * width, shoulder), hand, (0.06, 0.045), shirt * 0.9, 6))
    w = 0.36 * width
    parts.append(
        block((-0.11, 0.11), (-0.8 * w, 0.8 * w), (hip - 0.04, shoulder), shirt, top_y=(-w, w))
    )
    parts.append(tube((0, 0, shoulder), (0, 0, shoulder + 0.06), (0.06, 0.06), SKIN[0], 6))
    parts += _head(0.03, shoulder + 0.115 * full - 0.03, 0.068 * full, rng, False)
    if rng.random() < 0.35:
        bag = _pick(CLOTHES, rng)
        parts.append(block((-0.30, -0.11), (-0.7 * w, 0.7 * w), (hip + 0.1, shoulder), bag))
    if sitting:
        parts.append(
            block((-0.35 * length, 0.25), (-0.45 * width, 0.45 * width), (0, hip - 0.08), STEEL)
        )
    return join(parts)


def _rider(
    seat: np.ndarray, grip: np.ndarray, foot: np.ndarray, rng: np.random.Generator
) -> list[Mesh]:
    """A person on a saddle who holds the handlebar."""
    shirt, legs = _pick(CLOTHES, rng), _pick(TROUSERS, rng)
    shoulder = seat + (0.28, 0.0, 0.52)
    parts = [beam(seat, shoulder, 0.30, shirt)]
    for side in (-1, 1):
        knee = seat + (0.38, side * 0.14, -0.12)
        ankle = foot + (0, side * 0.13, 0.12 * side)
        parts += [
            beam(seat + (0, side * 0.09, 0), knee, 0.15, legs),
            beam(knee, ankle, 0.12, legs),
            beam(shoulder + (0, side * 0.17, 0), grip + (0, side * 0.22, 0), 0.09, shirt * 0.9),
        ]
    return parts + _head(shoulder[0] + 0.06, shoulder[2] + 0.22, 0.13, rng, True)


def bicycle(
    length: float, width: float, height: float, rng: np.random.Generator, rider: bool = False
) -> Mesh:
    """Two spoked wheels, a frame, a handlebar, and perhaps a rider."""
    paint = _pick(CAR_PAINTS, rng)
    radius = 0.2 * length
    rear, front = -length / 2 + radius, length / 2 - radius
    axle_r, axle_f = np.array([rear, 0, radius]), np.array([front, 0, radius])
    seat, crank = np.array([rear + 0.3, 0, 0.92]), np.array([-0.05, 0, radius])
    grip = np.array([front - 0.15, 0, 1.02])
    parts = [ring(axle_r, radius, DARK, 0.05), ring(axle_f, radius, DARK, 0.05)]
    tubes = (
        (axle_r, seat),
        (axle_r, crank),
        (crank, seat),
        (crank, grip),
        (seat, grip),
        (axle_f, grip),
    )
    parts += [beam(a - (0, 0, 0.06), b - (0, 0, 0.06), 0.05, paint) for a, b in tubes]
    parts += [
        block((seat[0] - 0.14, seat[0] + 0.12), (-0.08, 0.08), (0.88, 0.95), DARK),
        beam(grip - (0, width / 2, 0), grip + (0, width / 2, 0), 0.05, DARK),
        block((front, front + 0.06), (-0.05, 0.05), (0.86, 0.94), WHITE_LAMP, LAMP),
        block((rear - 0.26, rear - 0.2), (-0.05, 0.05), (0.66, 0.76), RED_LAMP, LAMP),
    ]
    if rider:
        parts += _rider(seat, grip, crank, rng)
    return join(parts)


def motorcycle(
    length: float, width: float, height: float, rng: np.random.Generator, rider: bool = False
) -> Mesh:
    """Fat wheels, engine, tank and fairing, and perhaps a rider."""
    paint = _pick(CAR_PAINTS[[2, 4, 5, 6, 7]], rng)
    radius = 0.15 * length
    rear, front = -length / 2 + radius, length / 2 - radius
    grip = np.array([front - 0.3, 0, 1.02])
    parts = []
    for x in (rear, front):
        parts.append(tube((x, -0.07, radius), (x, 0.07, radius), (radius, radius), DARK, 12))
        parts.append(tube((x, -0.08, radius), (x, 0.08, radius), (0.5 * radius,) * 2, STEEL, 8))
    parts += [
        block((rear + 0.15, front - 0.25), (-0.17, 0.17), (0.22, 0.55), STEEL),
        block((-0.1, front - 0.25), (-0.18, 0.18), (0.55, 0.85), paint, top_y=(-0.12, 0.12)),
        block((rear - 0.12, -0.08), (-0.15, 0.15), (0.60, 0.76), DARK),
        block((rear - 0.28, rear + 0.1), (-0.12, 0.12), (0.62, 0.80), paint),
        block(
            (front - 0.3, front + 0.06),
            (-0.2, 0.2),
            (0.66, 1.0),
            paint,
            top_x=(front - 0.3, front - 0.15),
        ),
        beam((front, 0, radius), grip, 0.12, STEEL),
        beam(grip - (0, width / 2, 0), grip + (0, width / 2, 0), 0.06, DARK),
        block((front + 0.02, front + 0.09), (-0.11, 0.11), (0.68, 0.84), WHITE_LAMP, LAMP),
        block((rear - 0.31, rear - 0.26), (-0.11, 0.11), (0.66, 0.76), RED_LAMP, LAMP),
        beam((rear - 0.15, -0.16, 0.3), (0.1, -0.16, 0.3), 0.1, STEEL),
    ]
    if rider:
        parts += _rider(np.array([rear + 0.4, 0, 0.82]), grip, np.array([0.0, 0, 0.3]), rng)
    return join(parts)


def traffic_cone(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    """A square foot and a cone with two white bands."""
    foot, radius = 0.05 * height, 0.38 * min(length, width)
    levels = np.array([0.05, 0.35, 0.55, 0.68, 0.84, 1.0]) * height
    radii = np.interp(levels, [foot, height], [radius, 0.12 * radius])
    parts = [
        block((-length / 2, length / 2), (-width / 2, width / 2), (0, foot), np.array(ORANGE) * 0.6)
    ]
    for k in range(5):
        color = WHITE if k % 2 else ORANGE
        parts.append(tube((0, 0, levels[k]), (0, 0, levels[k + 1]), radii[k : k + 2], color, 10))
    return join(parts)


def barrier(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    """A water-filled barrier: long across its heading, red and white."""
    colors = (ORANGE, WHITE) if rng.random() < 0.5 else ((0.80, 0.10, 0.08), WHITE)
    half = length / 2
    edges = np.linspace(-width / 2, width / 2, 5)
    parts = []
    for k, y in enumerate(zip(edges[:-1], edges[1:])):
        color = np.array(colors[k % 2])
        parts += [
            block((-half, half), y, (0, 0.2 * height), color * 0.85),
            block(
                (-half, half),
                y,
                (0.2 * height, 0.5 * height),
                color,
                top_x=(-0.45 * half, 0.45 * half),
            ),
            block((-0.45 * half, 0.45 * half), y, (0.5 * height, height), color),
        ]
    return join(parts)

"""Solid models of the vehicles: every one has a front that cannot be taken for its back."""

from __future__ import annotations

import numpy as np

from ...rendering.meshes import Mesh, beam, block, join, tube, wheel
from .materials import GLASS, LAMP

DARK = (0.07, 0.07, 0.08)
STEEL = (0.45, 0.46, 0.48)
WINDOW = (0.10, 0.13, 0.17)
WHITE_LAMP = (1.0, 0.98, 0.90)
RED_LAMP = (0.85, 0.05, 0.05)
PLATE = (0.85, 0.85, 0.80)
CAR_PAINTS = np.array(
    [
        [0.85, 0.85, 0.86],
        [0.60, 0.62, 0.65],
        [0.12, 0.12, 0.14],
        [0.30, 0.31, 0.34],
        [0.62, 0.08, 0.08],
        [0.10, 0.20, 0.50],
        [0.09, 0.33, 0.22],
        [0.85, 0.62, 0.10],
        [0.45, 0.30, 0.18],
        [0.25, 0.50, 0.70],
    ]
)
CARGO_PAINTS = np.array(
    [
        [0.88, 0.88, 0.86],
        [0.75, 0.72, 0.62],
        [0.20, 0.36, 0.60],
        [0.65, 0.20, 0.14],
        [0.25, 0.48, 0.30],
        [0.80, 0.55, 0.15],
    ]
)


def _pick(table: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One row of a colour table, a little varied."""
    return (table[rng.integers(len(table))] + rng.uniform(-0.05, 0.05, 3)).clip(0.02, 0.97)


def _lights(length: float, width: float, low: float, high: float) -> list[Mesh]:
    """White lamps, grille and plate in front; red lamps and plate behind."""
    front, back, w = length / 2, -length / 2, width / 2
    middle = (low + high) / 2
    parts = []
    for side in (-1, 1):
        y = sorted((side * 0.58 * w, side * 0.97 * w))
        parts.append(block((front - 0.12, front + 0.02), y, (low, high), WHITE_LAMP, LAMP))
        parts.append(block((back - 0.02, back + 0.10), y, (low, high * 1.05), RED_LAMP, LAMP))
    parts.append(block((front - 0.1, front + 0.01), (-0.5 * w, 0.5 * w), (low, high), DARK))
    for x in ((front - 0.05, front + 0.02), (back - 0.02, back + 0.05)):
        parts.append(block(x, (-0.26, 0.26), (low - 0.22, low - 0.08), PLATE))
    parts.append(
        block(
            (back - 0.01, back + 0.04),
            (-0.5 * w, 0.5 * w),
            (middle, high),
            tuple(0.6 * c for c in STEEL),
        )
    )
    return parts


def car(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    """A saloon, estate or van, by the ratio of height and by chance."""
    paint = _pick(CAR_PAINTS, rng)
    half, w, h = length / 2, width / 2, height
    kind = rng.integers(3)
    radius = min(0.2 * height, 0.36)
    waist, roof_rear = 0.55 * h, (-0.62, -0.90, -0.93)[kind] * half
    hood = (0.36, 0.42, 0.62)[kind] * half
    roof_front = (0.02, 0.08, 0.30)[kind] * half
    rear_foot = (-0.86, -0.97, -0.97)[kind] * half
    parts = [
        block((-half, half), (-w, w), (0.16 * h, 0.36 * h), paint * 0.92),
        block(
            (-half, half),
            (-w, w),
            (0.36 * h, waist),
            paint,
            top_x=(-0.98 * half, 0.93 * half),
            top_y=(-0.94 * w, 0.94 * w),
        ),
        block(
            (rear_foot, hood),
            (-0.92 * w, 0.92 * w),
            (waist, 0.92 * h),
            WINDOW,
            GLASS,
            top_x=(roof_rear, roof_front),
            top_y=(-0.74 * w, 0.74 * w),
        ),
        block(
            (roof_rear, roof_front),
            (-0.76 * w, 0.76 * w),
            (0.92 * h, h),
            paint,
            top_x=(0.95 * roof_rear, roof_front - 0.08),
            top_y=(-0.68 * w, 0.68 * w),
        ),
        block((-half, half), (-0.9 * w, 0.9 * w), (0.10 * h, 0.17 * h), DARK),
    ]
    for fraction in (0.30, 0.97) if kind else (0.35,):
        foot = hood + fraction * (rear_foot - hood)
        top = roof_front + fraction * (roof_rear - roof_front)
        for side in (-1, 1):
            post = (foot, side * 0.92 * w, waist), (top, side * 0.75 * w, 0.93 * h)
            parts.append(beam(*post, 0.09, paint))
    parts += _lights(length, width, 0.34 * h, 0.46 * h)
    for x in (-0.62 * half, 0.62 * half):
        for side in (-1, 1):
            parts.append(wheel(x, side * (w - 0.085), radius, 0.2))
    return join(parts)


def truck(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    """A cab with windscreen and a cargo box on a dark chassis."""
    paint, cargo = _pick(CAR_PAINTS, rng), _pick(CARGO_PAINTS, rng)
    half, w, h = length / 2, width / 2, height
    depth = np.clip(0.27 * length, 1.5, 2.3)
    back, radius = half - depth, min(0.17 * h, 0.5)
    cab = 0.86 * h
    parts = [
        block((-half, half), (-0.85 * w, 0.85 * w), (0.16 * h, 0.26 * h), DARK),
        block((back + 0.08, half), (-0.96 * w, 0.96 * w), (0.18 * h, 0.5 * h), paint),
        block(
            (back + 0.08, half),
            (-0.96 * w, 0.96 * w),
            (0.5 * h, cab),
            paint,
            top_x=(back + 0.08, half - 0.3),
            top_y=(-0.9 * w, 0.9 * w),
        ),
        block(
            (half - 0.2, half + 0.01),
            (-0.82 * w, 0.82 * w),
            (0.52 * h, 0.78 * h),
            WINDOW,
            GLASS,
            top_x=(half - 0.4, half - 0.2),
        ),
        block(
            (back + 0.5, half - 0.35), (-0.98 * w, 0.98 * w), (0.54 * h, 0.76 * h), WINDOW, GLASS
        ),
        block((-half, back), (-w, w), (0.27 * h, h), cargo),
        block((-half - 0.02, -half + 0.02), (-0.03, 0.03), (0.3 * h, 0.97 * h), DARK),
        block((-half - 0.01, back), (-1.004 * w, 1.004 * w), (0.27 * h, 0.31 * h), cargo * 0.5),
    ]
    parts += _lights(length, width, 0.20 * h, 0.27 * h)
    axles = (half - 0.55 * depth, -half + 0.75, -half + 0.75 + 2.2 * radius)
    for x in axles if length > 7 else axles[:2]:
        for side in (-1, 1):
            parts.append(wheel(x, side * (w - 0.17), radius, 0.3))
    return join(parts)


def bus(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    """A long body with a row of windows, doors on the right, and a large windscreen."""
    paint, stripe = _pick(CAR_PAINTS[[0, 4, 5, 6, 7]], rng), _pick(CARGO_PAINTS, rng)
    half, w, h = length / 2, width / 2, height
    parts = [
        block((-half, half), (-w, w), (0.10 * h, 0.42 * h), paint),
        block((-half, half), (-w, w), (0.42 * h, 0.48 * h), stripe),
        block((-half + 0.02, half - 0.02), (-0.985 * w, 0.985 * w), (0.48 * h, 0.8 * h), paint),
        block((-half, half), (-w, w), (0.80 * h, 0.93 * h), paint),
        block((-half + 1, half - 1), (-0.7 * w, 0.7 * w), (0.93 * h, h), (0.75, 0.75, 0.75)),
        block(
            (half - 0.1, half + 0.01), (-0.93 * w, 0.93 * w), (0.43 * h, 0.80 * h), WINDOW, GLASS
        ),
        block(
            (half - 0.1, half + 0.01), (-0.5 * w, 0.5 * w), (0.83 * h, 0.91 * h), (0.9, 0.55, 0.1)
        ),
        block(
            (-half - 0.01, -half + 0.1), (-0.8 * w, 0.8 * w), (0.55 * h, 0.78 * h), WINDOW, GLASS
        ),
    ]
    count = max(int(length / 1.4), 3)
    edges = np.linspace(-half + 0.3, half - 0.3, count + 1)
    for start, end in zip(edges[:-1], edges[1:]):
        pane = (start + 0.08, end - 0.08)
        parts.append(block(pane, (-w, w), (0.50 * h, 0.78 * h), WINDOW, GLASS))
    for x in (half - 1.2, 0.0):
        parts.append(
            block((x - 0.5, x + 0.5), (-w - 0.01, -w + 0.05), (0.12 * h, 0.78 * h), WINDOW)
        )
    parts += _lights(length, width, 0.16 * h, 0.26 * h)
    for x in (half - 0.24 * length, -half + 0.22 * length):
        for side in (-1, 1):
            parts.append(wheel(x, side * (w - 0.145), 0.5, 0.32))
    return join(parts)


def trailer(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    """A ribbed container on a chassis with wheels at the back and legs in front."""
    cargo = _pick(CARGO_PAINTS, rng)
    half, w, h = length / 2, width / 2, height
    radius = min(0.14 * h, 0.5)
    parts = [
        block((-half, half), (-0.5 * w, 0.5 * w), (0.22 * h, 0.31 * h), DARK),
        block((-half, half), (-0.97 * w, 0.97 * w), (0.30 * h, 0.985 * h), cargo),
        block((-half - 0.01, half + 0.01), (-w, w), (0.95 * h, h), cargo * 0.7),
        block((-half - 0.01, half + 0.01), (-w, w), (0.30 * h, 0.34 * h), cargo * 0.5),
        block((-half - 0.025, -half), (-0.04, 0.04), (0.33 * h, 0.95 * h), DARK),
        block((-half - 0.02, -half), (-w, w), (0.24 * h, 0.29 * h), (0.8, 0.78, 0.2)),
    ]
    for x in np.linspace(-half + 0.05, half - 0.05, max(int(length / 1.1), 4)):
        parts.append(block((x - 0.08, x + 0.08), (-w, w), (0.34 * h, 0.95 * h), cargo * 0.82))
    for side in (-1, 1):
        y = sorted((side * 0.6 * w, side * 0.95 * w))
        parts.append(block((-half - 0.03, -half + 0.1), y, (0.2 * h, 0.26 * h), RED_LAMP, LAMP))
        leg = 0.45 * side * w
        parts.append(beam((half - 1.6, leg, 0), (half - 1.6, leg, 0.3 * h), 0.16, STEEL))
        for k in range(2 if length < 9 else 3):
            parts.append(wheel(-half + 0.9 + 2.25 * radius * k, side * (w - 0.17), radius, 0.3))
    return join(parts)


def construction(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    """An excavator: tracks, yellow house, glazed cab and an arm that reaches forward."""
    yellow = np.array([0.90, 0.62, 0.06]) + rng.uniform(-0.06, 0.06, 3)
    half, w, h = length / 2, width / 2, height
    shoulder, wrist = 0.02 * half, 0.93 * half
    parts = [
        block((-0.95 * half, 0.25 * half), (-0.8 * w, 0.8 * w), (0.26 * h, 0.36 * h), DARK),
        block((-half, 0.3 * half), (-0.9 * w, 0.9 * w), (0.34 * h, 0.60 * h), yellow),
        block(
            (-half - 0.02, -0.72 * half), (-0.85 * w, 0.85 * w), (0.36 * h, 0.70 * h), yellow * 0.35
        ),
        block((-0.35 * half, 0.3 * half), (0.0, 0.85 * w), (0.60 * h, 0.95 * h), WINDOW, GLASS),
        block((-0.4 * half, 0.33 * half), (-0.03, 0.88 * w), (0.94 * h, h), yellow),
        beam((shoulder, -0.3 * w, 0.5 * h), (0.55 * half, -0.3 * w, 0.92 * h), 0.13 * h, yellow),
        beam((0.55 * half, -0.3 * w, 0.92 * h), (wrist, -0.3 * w, 0.40 * h), 0.10 * h, yellow),
        beam((0.2 * half, -0.3 * w, 0.55 * h), (0.5 * half, -0.3 * w, 0.76 * h), 0.05 * h, STEEL),
        block(
            (wrist - 0.12 * half, half),
            (-0.62 * w, 0.1 * w),
            (0.12 * h, 0.42 * h),
            STEEL,
            top_x=(wrist - 0.04 * half, half - 0.02),
        ),
    ]
    for side in (-1, 1):
        y = sorted((side * 0.55 * w, side * w))
        parts.append(
            block((-0.85 * half, 0.25 * half), y, (0, 0.27 * h), DARK, top_x=(-half, 0.4 * half))
        )
        for x in np.linspace(-0.75, 0.15, 4) * half:
            center = 0.13 * h
            parts.append(
                tube((x, y[0] - 0.02, center), (x, y[1] + 0.02, center), (0.09 * h,) * 2, STEEL, 8)
            )
    return join(parts)

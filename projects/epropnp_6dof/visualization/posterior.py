"""The distribution over poses: axes on a sphere, and one histogram per coordinate."""

from __future__ import annotations

import cv2
import numpy as np

from epropnp_det.visualization import draw_key
from epropnp_det.visualization.canvas import draw_segments, fill_polygon, text_scale

from ..objects.poses import pose_matrices
from .overlay import AXIS_COLORS

RADIUS = 0.4
"""Of the sphere per side of the picture."""
BINS = 90
TEXT_COLOR = (40, 40, 40)


def orientation_sphere(
    samples: np.ndarray, shares: np.ndarray, rotation: np.ndarray, side: int = 256
) -> np.ndarray:
    """Where the object's axes point, seen by the camera, under all posterior samples.

    Each sample puts its share where its three axes meet a sphere; modes show as separate spots of
    one colour, darkest where that axis most likely points, faint on the far side. Lines are the
    axes of the estimate (docs/method_6dof.md 7).

    Args:
        samples: ``[x, y, z, qw, qx, qy, qz]``, (S, 7).
        shares: Sum 1, (S,).
        rotation: Of the estimate, (3, 3).
        side: Of the picture.
    """
    center, radius = side / 2, RADIUS * side
    axes = pose_matrices(samples)[:, :, :3]  # columns are the axes in the camera frame
    rows, columns = np.mgrid[:side, :side] + 0.5
    disc = np.clip(radius + 0.5 - np.hypot(rows - center, columns - center), 0, 1)[..., None]
    out = 255 - 25 * np.repeat(disc, 3, axis=2)
    far = axes[:, 2] > 0  # (S, 3)
    pixels = center + radius * axes[:, :2]
    for half, strength in ((far, 0.35), (~far, 0.9)):
        for axis, color in enumerate(AXIS_COLORS):
            chosen = half[:, axis]
            spots = _density(pixels[chosen, :, axis], shares[chosen], side)
            other = _density(pixels[~chosen, :, axis], shares[~chosen], side)
            peak = max(spots.max(), other.max(), 1e-12)
            opacity = strength * (1 - np.exp(-3 * spots / peak))[..., None]
            out = (1 - opacity) * out + opacity * np.array(color)
    picture = np.ascontiguousarray(out.round().astype(np.uint8))
    for axis, color in enumerate(AXIS_COLORS):
        end = center + radius * rotation[:2, axis]
        draw_segments(picture, np.array([[[center, center], end]]), color, 2, casing=True)
    return draw_key([(f'{name} axis', color) for name, color in zip('xyz', AXIS_COLORS)], picture)


def _density(pixels: np.ndarray, shares: np.ndarray, side: int) -> np.ndarray:
    """Smoothed shares on the picture, (side, side)."""
    density = np.zeros((side, side))
    columns, rows = np.floor(pixels).astype(int).clip(0, side - 1).T
    np.add.at(density, (rows, columns), shares)
    return cv2.GaussianBlur(density, (0, 0), side / 60)


def translation_marginals(
    samples: np.ndarray, shares: np.ndarray, translation: np.ndarray, side: int = 256
) -> np.ndarray:
    """Histograms of the posterior's x, y and z about the estimate, in millimetres.

    All three have the scale of the widest, so that they can be compared.

    Args:
        samples: (S, 7).
        shares: Sum 1, (S,).
        translation: Of the estimate, metres, (3,).
        side: Of the picture.
    """
    out = np.full((side, side, 3), 255, np.uint8)
    offsets = 1000 * (samples[:, :3] - translation)
    spreads = np.sqrt(shares @ offsets**2)
    limit = max(3 * float(spreads.max()), 1e-3)
    row, scale = side // 3, text_scale(out)
    edges = np.linspace(-limit, limit, BINS + 1)
    columns = np.linspace(0, side, BINS + 1)
    middle = np.array([[side / 2, 0.0], [side / 2, 3.0 * row]])
    draw_segments(out, middle[None], (205, 205, 205), 1)
    for axis, color in enumerate(AXIS_COLORS):
        counts, _ = np.histogram(offsets[:, axis], edges, weights=shares)
        heights = (row - 40 * scale) * counts / max(float(counts.max()), 1e-12)
        base = (axis + 1.0) * row - 3
        for left, right, height in zip(columns[:-1], columns[1:], heights):
            bar = np.array([[left, base - height], [right, base - height], [right, base]])
            fill_polygon(out, np.vstack([bar, [left, base]]), color, 1.0)
        draw_segments(out, np.array([[[0, base], [side, base]]]), color, 1)
        label = f'{"xyz"[axis]}: +- {spreads[axis]:.1f} mm'
        place = (4, round(axis * row + 32 * scale))
        cv2.putText(out, label, place, cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT_COLOR, 1, cv2.LINE_AA)
    return out

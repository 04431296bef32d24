"""The distribution over poses: axes on a sphere, and one histogram per coordinate."""

from __future__ import annotations

import cv2
import numpy as np

from ..objects.poses import pose_matrices
from .overlay import AXIS_COLORS

RADIUS = 0.4
"""Of the sphere per side of the picture."""


def orientation_sphere(
    samples: np.ndarray, shares: np.ndarray, rotation: np.ndarray, side: int = 256
) -> np.ndarray:
    """Where the object's axes point, seen by the camera, under all posterior samples.

    Each sample puts its share where its three axes meet a sphere; modes show as separate spots of
    one colour. Lines are the axes of the estimate (docs/method_6dof.md 7).

    Args:
        samples: ``[x, y, z, qw, qx, qy, qz]``, (S, 7).
        shares: Sum 1, (S,).
        rotation: Of the estimate, (3, 3).
        side: Of the picture.
    """
    center, radius = (side - 1) / 2, RADIUS * side
    axes = pose_matrices(samples)[:, :, :3]  # columns are the axes in the camera frame
    layers = {}
    for layer in ('back', 'front'):
        picture = np.ones((side, side, 3))
        for axis, color in enumerate(AXIS_COLORS):
            points = axes[:, :, axis]
            chosen = (points[:, 2] <= 0) == (layer == 'front')
            pixels = (center + radius * points[chosen, :2]).round().astype(int)
            density = np.zeros((side, side))
            np.add.at(density, (pixels[:, 1], pixels[:, 0]), shares[chosen])
            density = cv2.boxFilter(density, -1, (5, 5), normalize=False) * 50
            tint = 0.25 + 0.65 * np.array(color) / max(color)
            picture *= tint ** density[..., None]
        layers[layer] = picture
    rows, columns = np.mgrid[:side, :side]
    disc = np.where(np.hypot(rows - center, columns - center) <= radius, 0.85, 1.0)[..., None]
    out = np.ascontiguousarray((0.6 * layers['back'] + 0.4 * disc) * 255).astype(np.uint8)
    for axis, color in enumerate(AXIS_COLORS):
        end = center + radius * rotation[:2, axis]
        start = (round(center), round(center))
        cv2.line(out, start, tuple(int(v) for v in end.round()), color, 2, cv2.LINE_AA)
    return (out * layers['front']).astype(np.uint8)


def translation_marginals(
    samples: np.ndarray, shares: np.ndarray, translation: np.ndarray, side: int = 256
) -> np.ndarray:
    """Histograms of the posterior's x, y and z about the estimate, in millimetres.

    Args:
        samples: (S, 7).
        shares: Sum 1, (S,).
        translation: Of the estimate, metres, (3,).
        side: Of the picture.
    """
    out = np.full((side, side, 3), 255, np.uint8)
    height = side // 3
    offsets = 1000 * (samples[:, :3] - translation)
    for axis, color in enumerate(AXIS_COLORS):
        spread = np.sqrt((shares * offsets[:, axis] ** 2).sum())
        limit = max(4 * spread, 1e-3)
        counts, _ = np.histogram(offsets[:, axis], 48, (-limit, limit), weights=shares)
        counts = counts / max(counts.max(), 1e-12)
        base = (axis + 1) * height - 4
        for k, count in enumerate(counts):
            left, right = int(k * side / 48), int((k + 1) * side / 48) - 1
            cv2.rectangle(out, (left, base - int(count * (height - 22))), (right, base), color, -1)
        label = f'{"xyz"[axis]}: +- {spread:.1f} mm'
        place = (4, axis * height + 13)
        cv2.putText(out, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return out

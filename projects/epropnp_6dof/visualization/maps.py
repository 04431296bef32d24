"""What the network predicts for a crop, as images."""

from __future__ import annotations

import cv2
import numpy as np

from epropnp_det.visualization import draw_color_bar, muted


def coordinate_picture(noc: np.ndarray, weights: np.ndarray, side: int = 256) -> np.ndarray:
    """Object coordinates as colours (x red, y green, z blue), faint where weights are low.

    Args:
        noc: About [-1, 1], (3, h, w).
        weights: Along image x and y, (2, h, w).
        side: Of the picture.
    """
    colors = np.clip((noc[::-1] + 1) / 2, 0, 1).transpose(1, 2, 0)
    trust = np.clip(3 * _level(weights), 0, 1)[..., None]
    picture = (255 * (trust * colors + (1 - trust) * 0.12)).astype(np.uint8)
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST)


def weight_picture(weights: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Weights over the crop they belong to: bright where the network trusts itself.

    Args:
        weights: Along image x and y, (2, h, w).
        crop: BGR uint8, (S, S, 3).
    """
    level = cv2.resize(
        _level(weights).astype(np.float32), crop.shape[1::-1], interpolation=cv2.INTER_LINEAR
    )
    heat = cv2.applyColorMap((255 * level).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = np.clip(0.2 + 2 * level, 0, 0.85)[..., None]
    picture = (opacity * heat + (1 - opacity) * muted(crop)).astype(np.uint8)
    return draw_color_bar(cv2.COLORMAP_INFERNO, ('0', 'weight', 'max'), picture)


def _level(weights: np.ndarray) -> np.ndarray:
    """Square root of the mean of both axes, at most 1, (h, w)."""
    mean = np.asarray(weights).mean(0)
    return np.sqrt(np.clip(mean / max(float(mean.max()), 1e-12), 0, 1))

"""What the network predicts for a crop, as images."""

from __future__ import annotations

import cv2
import numpy as np


def coordinate_picture(noc: np.ndarray, side: int = 256) -> np.ndarray:
    """Object coordinates as colours: x red, y green, z blue.

    Args:
        noc: About [-1, 1], (3, h, w).
        side: Of the picture.
    """
    colors = (np.clip((noc[::-1] + 1) / 2, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return cv2.resize(colors, (side, side), interpolation=cv2.INTER_NEAREST)


def weight_picture(weights: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Weights over the crop they belong to: bright where the network trusts itself.

    Args:
        weights: Along image x and y, (2, h, w).
        crop: BGR uint8, (S, S, 3).
    """
    mean = weights.mean(0)
    level = np.sqrt(mean / max(float(mean.max()), 1e-12))
    heat = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    heat = cv2.resize(heat, crop.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cv2.addWeighted(grey, 0.35, heat, 0.75, 0)

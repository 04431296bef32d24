"""Images and masks, decoded."""

from __future__ import annotations

import cv2
import numpy as np

from ..objects.instances import Instance


def read_image(path: str) -> np.ndarray:
    """BGR pixels, (H, W, 3) uint8.

    Raises:
        ValueError: If the file is no image.
    """
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path} is no image')
    return image


def read_gray_mask(path: str) -> np.ndarray:
    """A mask file as 0 or 255, (H, W) uint8.

    Raises:
        ValueError: If the file is no image.
    """
    mask = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ValueError(f'{path} is no mask')
    return np.where(mask > 0, np.uint8(255), np.uint8(0))


def read_mask(instance: Instance, size: tuple[int, int], read=read_gray_mask) -> np.ndarray:
    """Visible part of an instance, (H, W) uint8, 0 or 255; its box where there is no mask."""
    if instance.mask is not None:
        return read(str(instance.mask))
    mask = np.zeros(size, np.uint8)
    x, y, width, height = instance.box.round().astype(int)
    mask[max(y, 0) : y + height, max(x, 0) : x + width] = 255
    return mask

"""Images and masks, decoded: as they are stored, which is what intrinsics and masks are of."""

from __future__ import annotations

import numpy as np

from epropnp_det.inputs import read_image as stored_pixels
from epropnp_det.inputs.images import decode_image, read_bytes

from .bop import Instance


def read_image(path: str) -> np.ndarray:
    """BGR pixels, (H, W, 3) uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no image.
    """
    return stored_pixels(path)


def read_gray_mask(path: str) -> np.ndarray:
    """A mask file as 0 or 255, (H, W) uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no image.
    """
    mask = decode_image(read_bytes(path), path, gray=True).pixels
    return np.where(mask > 0, np.uint8(255), np.uint8(0))


def read_mask(instance: Instance, size: tuple[int, int], read=read_gray_mask) -> np.ndarray:
    """Visible part of an instance, (H, W) uint8, 0 or 255; its box where there is no mask."""
    if instance.mask is not None:
        return read(str(instance.mask))
    mask = np.zeros(size, np.uint8)
    x, y, width, height = instance.box.round().astype(int)
    mask[max(y, 0) : y + height, max(x, 0) : x + width] = 255
    return mask

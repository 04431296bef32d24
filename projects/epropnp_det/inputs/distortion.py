"""Lens distortion: which model a calibration means, and images without it, by OpenCV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

PINHOLE_COUNTS = (4, 5, 8, 12, 14)
FISHEYE_COUNT = 4
FISHEYE_NAMES = ('fisheye', 'equidistant', 'kannala')
UNSUPPORTED = re.compile(r'\b(omni\w*|mei|unified|e?ucm|division|fov|double_?sphere|spherical)\b')


class Distortion(NamedTuple):
    """Coefficients in OpenCV's order.

    Attributes:
        coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6 [...]]], or k1 k2 k3 k4 of a fisheye lens.
        fisheye: Whether they are of ``cv2.fisheye``.
    """

    coefficients: tuple[float, ...]
    fisheye: bool = False

    @property
    def is_zero(self) -> bool:
        """Whether there is none. All zeros of a fisheye lens are still a fisheye lens."""
        return not self.fisheye and not any(self.coefficients)

    def __str__(self) -> str:
        numbers = ' '.join(f'{value:.4g}' for value in self.coefficients)
        return f'{"fisheye " if self.fisheye else ""}{numbers}'


def make_distortion(coefficients: Sequence[float], model: str = '') -> Distortion | None:
    """Distortion of a calibration file; None where there is none.

    Args:
        coefficients: In OpenCV's order; those of no effect may be left out.
        model: Name of the model in the words of the file: ``plumb_bob``, ``radtan``,
            ``rational_polynomial``, ``equidistant``, ``fisheye``, ...; empty where it has none.

    Raises:
        ValueError: If the model or the number of coefficients is none of OpenCV's.
    """
    values = tuple(float(value) for value in np.asarray(coefficients, dtype=np.float64).reshape(-1))
    name = model.lower()
    if UNSUPPORTED.search(name):
        raise ValueError(
            f'the distortion model {model!r} is none of OpenCV (plumb_bob, rational_polynomial, '
            'fisheye); undistort the images with the tool that made the calibration, and pass the '
            'intrinsics of the result'
        )
    if not np.isfinite(values).all():
        raise ValueError(f'distortion coefficients must be finite, got {values}')
    if any(word in name for word in FISHEYE_NAMES):
        if len(values) != FISHEYE_COUNT:
            raise ValueError(f'a fisheye lens has {FISHEYE_COUNT} coefficients, got {len(values)}')
        return Distortion(values, fisheye=True)
    if not any(values):
        return None
    count = next((count for count in PINHOLE_COUNTS if count >= len(values)), None)
    if count is None:
        raise ValueError(f'{len(values)} distortion coefficients; OpenCV knows {PINHOLE_COUNTS}')
    return Distortion(values + (0.0,) * (count - len(values)))


def undistort(pixels: np.ndarray, cam2img: np.ndarray, distortion: Distortion | None) -> np.ndarray:
    """The image that a pinhole camera with the same intrinsics would have taken.

    What the lens saw beyond that is cut off; where it saw less the border is black.

    Args:
        pixels: (H, W, 3).
        cam2img: Intrinsics, (3, 3), which stay those of the result.
        distortion: None leaves the image as it is.
    """
    if distortion is None or distortion.is_zero:
        return pixels
    coefficients = np.array(distortion.coefficients)
    if distortion.fisheye:
        return cv2.fisheye.undistortImage(pixels, cam2img, coefficients, Knew=cam2img)
    return cv2.undistort(pixels, cam2img, coefficients)

"""Intrinsics alone, without sizes and distortion: ``epropnp_det.inputs`` has the whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..inputs import Calibration, calibration_of, check_intrinsics, notice, read_calibrations
from ..inputs.paths import printable

__all__ = ['check_intrinsics', 'intrinsics_from_focal', 'intrinsics_of', 'read_intrinsics']


def intrinsics_from_focal(
    focal: float, image_size: tuple[int, int], center: tuple[float, float] | None = None
) -> np.ndarray:
    """Intrinsics of a camera with square pixels.

    Args:
        focal: Focal length in pixels of this image.
        image_size: Width and height in pixels.
        center: Principal point in pixels; by default the middle of the image.

    Returns:
        (3, 3).

    Raises:
        ValueError: If the numbers make no camera.
    """
    x, y = (image_size[0] / 2, image_size[1] / 2) if center is None else center
    return check_intrinsics(np.array([[focal, 0, x], [0, focal, y], [0, 0, 1.0]]), image_size)


def read_intrinsics(path: str | Path) -> np.ndarray | dict[str, np.ndarray]:
    """Reads one matrix for all images, or one per image, see ``inputs.read_calibrations``.

    Warns where the file has distortion coefficients, which are left out.

    Returns:
        The matrix (3, 3), or a dict from file name to matrix.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the content is no intrinsics.
    """
    found = read_calibrations(path)
    each = found.values() if isinstance(found, Mapping) else [found]
    distorted = next((c.distortion for c in each if c.distortion is not None), None)
    if distorted is not None:
        notice(
            ('distortion', str(path)),
            f'{printable(path)} has distortion coefficients ({distorted}), which are not used; '
            'undistort the images (epropnp_det.inputs.undistort)',
        )
    if isinstance(found, Mapping):
        return {name: calibration.cam2img for name, calibration in found.items()}
    return found.cam2img


def intrinsics_of(
    name: str, intrinsics: np.ndarray | Mapping[str, np.ndarray], image_size: tuple[int, int]
) -> np.ndarray:
    """Looks up and checks the intrinsics of one image.

    Args:
        name: Path of the image, looked up by ``inputs.calibration_of``.
        intrinsics: What ``read_intrinsics`` gave.
        image_size: Width and height in pixels.

    Raises:
        KeyError: If a per-image file does not name the image, or names several that it may be.
        ValueError: If the matrix cannot belong to an image of this size.
    """
    if isinstance(intrinsics, Mapping):
        calibrations = {key: Calibration(matrix) for key, matrix in intrinsics.items()}
        return check_intrinsics(calibration_of(name, calibrations).cam2img, image_size)
    return check_intrinsics(intrinsics, image_size)

"""Camera intrinsics from a file or a focal length, checked before they can spoil a result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

# In image widths: fields of view of 157 and of 2.3 degrees. A pinhole beyond them is a mistake.
FOCAL_LIMITS = (0.1, 25.0)


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
    """Reads one matrix for all images, or one per image.

    A ``.csv`` or ``.txt`` file holds three rows of three numbers (comma or blank separated; a
    3 x 4 or 4 x 4 projection without translation is accepted). A ``.json`` file holds the nested
    list, or ``{"cam2img": ...}``, or ``{"name.jpg": ..., ...}``, or is a mono3d annotation file.

    Returns:
        The matrix (3, 3), or a dict from file name to matrix.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the content is no intrinsics.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no intrinsics file {path}; pass --focal if you know only that')
    try:
        if path.suffix.lower() == '.json':
            return _from_json(json.loads(path.read_text()))
        rows = path.read_text().replace(',', ' ').replace(';', ' ').strip().splitlines()
        return check_intrinsics(np.array([[float(n) for n in row.split()] for row in rows if row]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: {error}') from error


def intrinsics_of(
    name: str, intrinsics: np.ndarray | Mapping[str, np.ndarray], image_size: tuple[int, int]
) -> np.ndarray:
    """Looks up and checks the intrinsics of one image.

    Args:
        name: Path of the image; looked up as it is, then by its last part.
        intrinsics: What ``read_intrinsics`` gave.
        image_size: Width and height in pixels.

    Raises:
        KeyError: If a per-image file does not name the image.
        ValueError: If the matrix cannot belong to an image of this size.
    """
    if not isinstance(intrinsics, Mapping):
        return check_intrinsics(intrinsics, image_size)
    for key in (str(name), Path(name).name):
        if key in intrinsics:
            return check_intrinsics(intrinsics[key], image_size)
    known = ', '.join(sorted(intrinsics)[:3])
    raise KeyError(f'no intrinsics for {name}; the file has {len(intrinsics)} images: {known} ...')


def check_intrinsics(matrix: np.ndarray, image_size: tuple[int, int] | None = None) -> np.ndarray:
    """Returns the matrix as float64 (3, 3), or says what is wrong with it.

    Args:
        matrix: (3, 3), or (3, 4) / (4, 4) whose other column is zero.
        image_size: Width and height in pixels, to check focal length and principal point.

    Raises:
        ValueError: If it is no pinhole camera, or none of an image of this size.
    """
    try:
        matrix = np.asarray(matrix, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f'intrinsics must be three rows of three numbers ({error})') from error
    if matrix.shape not in ((3, 3), (3, 4), (4, 4)):
        raise ValueError(f'intrinsics must be a 3 x 3 matrix, got shape {matrix.shape}')
    if matrix.shape[1] == 4 and np.abs(matrix[:3, 3]).max() > 0:
        raise ValueError('the projection matrix has a translation; pass K of this camera alone')
    matrix = matrix[:3, :3].copy()
    if not np.isfinite(matrix).all():
        raise ValueError(f'intrinsics hold numbers that are not finite:\n{matrix}')
    if not np.allclose(matrix[2], [0, 0, 1]) or matrix[1, 0] != 0:
        raise ValueError(f'expected rows [fx s cx], [0 fy cy], [0 0 1]; got\n{matrix}')
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise ValueError(f'focal lengths must be positive, got {matrix[0, 0]}, {matrix[1, 1]}')
    if image_size is not None:
        _check_against_size(matrix, image_size)
    return matrix


def _check_against_size(matrix: np.ndarray, image_size: tuple[int, int]) -> None:
    width, height = image_size
    cure = 'are they those of another resolution, or in millimetres? They must be in pixels.'
    for focal, axis in ((matrix[0, 0], 'fx'), (matrix[1, 1], 'fy')):
        if not FOCAL_LIMITS[0] * width <= focal <= FOCAL_LIMITS[1] * width:
            raise ValueError(f'{axis} = {focal:g} for an image {width} pixels wide: {cure}')
    x, y = matrix[0, 2], matrix[1, 2]
    if not (-0.5 * width <= x <= 1.5 * width and -0.5 * height <= y <= 1.5 * height):
        raise ValueError(
            f'principal point ({x:g}, {y:g}) is far outside the {width} x {height} image: {cure}'
        )


def _from_json(content: object) -> np.ndarray | dict[str, np.ndarray]:
    if isinstance(content, list):
        return check_intrinsics(np.array(content))
    if not isinstance(content, dict):
        raise ValueError('expected a matrix, {"cam2img": matrix} or {"image name": matrix}')
    for key in ('cam2img', 'cam_intrinsic', 'camera_matrix', 'K'):
        if key in content:
            return check_intrinsics(np.array(content[key]))
    if isinstance(content.get('images'), list):  # a mono3d annotation file
        images = content['images']
        content = {Path(image['file_name']).name: image['cam_intrinsic'] for image in images}
    if not content:
        raise ValueError('the file names no image')
    return {str(name): check_intrinsics(np.array(value)) for name, value in content.items()}

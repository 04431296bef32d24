"""Intrinsics: what makes a pinhole camera, and one that fits its image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# In image widths: fields of view of 157 and of 2.3 degrees. A pinhole beyond them is a mistake.
FOCAL_LIMITS = (0.1, 25.0)
UNUSUAL_FOCAL = (0.134, 19.1)  # fields of view of 150 and of 3 degrees
ASPECT_LIMITS = (0.2, 5.0)  # of fx / fy, beyond which it is no camera
UNUSUAL_ASPECT = (0.5, 2.0)
FAR_OUTSIDE = 0.5  # image sizes that a principal point may lie beyond the border
OFF_CENTER = 0.15  # image sizes from the middle: cameras that were not cropped stay well below
SAME_SCALE = 0.12  # difference between the axes of an image that was only resized, as a share
USUAL_FACTORS = (1 / 4, 1 / 3, 2 / 5, 1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2, 5 / 2, 3, 4)
RESIZE = '--intrinsics-size WIDTH HEIGHT rescales those of another resolution'


class Judgement(NamedTuple):
    """What speaks against intrinsics.

    Attributes:
        errors: Reasons why they cannot be those of the image.
        doubts: Reasons why they may not be.
    """

    errors: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def as_matrix(matrix: object) -> np.ndarray:
    """Intrinsics as float64 (3, 3), or what is wrong with them.

    Args:
        matrix: (3, 3); or a projection (3, 4) or (4, 4), whose last column is zero.

    Raises:
        ValueError: If it is no pinhole camera.
    """
    try:
        values = np.asarray(matrix, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f'intrinsics must be three rows of three numbers ({error})') from error
    if values.shape not in ((3, 3), (3, 4), (4, 4)):
        raise ValueError(f'intrinsics must be a 3 x 3 matrix, got shape {values.shape}')
    if values.shape[1] == 4 and np.abs(values[:3, 3]).max() > 0:
        raise ValueError('the projection matrix has a translation; pass K of this camera alone')
    values = values[:3, :3].copy()
    rows = one_line(values)
    if not np.isfinite(values).all():
        raise ValueError(f'intrinsics hold numbers that are not finite: {rows}')
    if not np.allclose(values[2], [0, 0, 1]) or abs(values[1, 0]) > 1e-6 * abs(values[1, 1]):
        raise ValueError(f'expected rows [fx s cx], [0 fy cy], [0 0 1]; got {rows}')
    if values[0, 0] <= 0 or values[1, 1] <= 0:
        raise ValueError(f'focal lengths must be positive, got {values[0, 0]}, {values[1, 1]}')
    return values


def one_line(matrix: np.ndarray) -> str:
    """A matrix for messages."""
    return str([[float(f'{value:.6g}') for value in row] for row in matrix.tolist()])


def examine_intrinsics(
    matrix: np.ndarray, image_size: tuple[int, int], stated_size: tuple[int, int] | None = None
) -> Judgement:
    """Compares intrinsics with the image that they are said to be of.

    Args:
        matrix: Intrinsics, (3, 3).
        image_size: Width and height in pixels.
        stated_size: Width and height that the intrinsics come with, where a file states them.
    """
    width, height = image_size
    where = f'the {width} x {height} image'
    if stated_size is not None and tuple(stated_size) != (width, height):
        turned = ' (width and height swapped?)' if stated_size == (height, width) else ''
        return Judgement(
            (
                f'the intrinsics are for {stated_size[0]} x {stated_size[1]} pixels, the image has '
                f'{width} x {height}{turned}; where it was resized, '
                f'--intrinsics-size {stated_size[0]} {stated_size[1]} rescales them',
            )
        )
    focal, center = matrix.diagonal()[:2], matrix[:2, 2]
    cure = f'are they those of another resolution, in millimetres or normalised? {RESIZE}'
    for value, axis in zip(focal, ('fx', 'fy')):
        if not FOCAL_LIMITS[0] * width <= value <= FOCAL_LIMITS[1] * width:
            return Judgement((f'{axis} = {value:g} for an image {width} pixels wide: {cure}',))
    aspect = focal[0] / focal[1]
    if not ASPECT_LIMITS[0] <= aspect <= ASPECT_LIMITS[1]:
        text = f'fx / fy = {aspect:.3g}, {focal[0]:g} / {focal[1]:g}: pixels are not that oblong'
        return Judgement((text,))
    share = center / (width, height)
    point = f'principal point ({center[0]:g}, {center[1]:g})'
    if (share < -FAR_OUTSIDE).any() or (share > 1 + FAR_OUTSIDE).any():
        return Judgement((f'{point} is far outside {where}: {cure}',))
    doubts = []
    if not UNUSUAL_FOCAL[0] * width <= focal[0] <= UNUSUAL_FOCAL[1] * width:
        doubts.append('field of view below 3 or above 150 degrees: focal length in pixels?')
    if not UNUSUAL_ASPECT[0] <= aspect <= UNUSUAL_ASPECT[1]:
        doubts.append(f'focal lengths differ by more than a factor of two (fx / fy = {aspect:.3g})')
    doubt = _doubt_of_center(center, image_size)
    if doubt and ((share <= 0).any() or (share >= 1).any()):
        outside = f'{point} is outside {where}: {doubt}'
        if 'resolution' in doubt and stated_size is None:
            confirm = f'; if the image is a crop, --intrinsics-size {width} {height} confirms them'
            return Judgement((outside + confirm,))
        return Judgement((), (*doubts, outside))
    if doubt:
        doubts.append(f'{point} is far from the middle of {where}: {doubt}')
    return Judgement((), tuple(doubts))


def _doubt_of_center(center: np.ndarray, image_size: tuple[int, int]) -> str:
    """Why a principal point may lie where it does; empty where it is usual."""
    size = np.array(image_size, dtype=np.float64)
    share = center / size
    if np.abs(share - 0.5).max() <= OFF_CENTER:
        return ''
    if not center.any():
        return 'is it missing?'
    swapped = center / size[::-1]
    if size[0] != size[1] and np.abs(swapped - 0.5).max() <= OFF_CENTER / 2:
        return (
            f'of an image of {image_size[1]} x {image_size[0]} (width and height swapped, or '
            'turned by EXIF)?'
        )
    if abs(share[0] - share[1]) <= SAME_SCALE * share.max() and share.min() > 0:
        factor = 2 * share.mean()
        guess = np.rint(min(USUAL_FACTORS, key=lambda usual: abs(usual / factor - 1)) * size)
        return f'of another resolution, such as {guess[0]:.0f} x {guess[1]:.0f}? {RESIZE}'
    return 'a crop?'


def check_intrinsics(
    matrix: object,
    image_size: tuple[int, int] | None = None,
    stated_size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Returns intrinsics as float64 (3, 3), or says what is wrong with them.

    Args:
        matrix: (3, 3), or (3, 4) / (4, 4) whose other column is zero.
        image_size: Width and height in pixels, to compare focal lengths and principal point with.
        stated_size: Width and height that the intrinsics come with.

    Raises:
        ValueError: If it is no pinhole camera, or none of an image of this size. Mere doubts are
            left to ``examine_intrinsics``.
    """
    checked = as_matrix(matrix)
    if image_size is not None:
        errors, _ = examine_intrinsics(checked, image_size, stated_size)
        if errors:
            raise ValueError(errors[0])
    return checked


def rescale_intrinsics(
    matrix: np.ndarray, from_size: tuple[int, int], to_size: tuple[int, int]
) -> np.ndarray:
    """Intrinsics of an image that was resized.

    Args:
        matrix: Intrinsics of the original, (3, 3).
        from_size: Width and height of the original.
        to_size: Width and height of the resized image.

    Raises:
        ValueError: If the sizes differ in shape, so that the image was cropped or padded, too.
    """
    if min(from_size) <= 0:
        raise ValueError(f'an image size has two positive numbers, got {from_size}')
    scale = np.array(to_size, dtype=np.float64) / from_size
    # rounding to whole pixels may change a side by one
    if (
        abs(scale[0] * from_size[1] - to_size[1]) > 2
        and abs(scale[1] * from_size[0] - to_size[0]) > 2
    ):
        raise ValueError(
            f'{from_size[0]} x {from_size[1]} does not become {to_size[0]} x {to_size[1]} by '
            'resizing alone; pass the intrinsics of the image as it is (after a crop, with its '
            'corner subtracted from the principal point)'
        )
    return np.diag([*scale, 1.0]) @ matrix

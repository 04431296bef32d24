"""Images of a user with their cameras, all settled before the first image is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .calibrations import Calibration, calibration_of
from .distortion import Distortion, undistort
from .images import ImageInfo, decode_image, read_bytes, read_image_info
from .intrinsics import OFF_CENTER, as_matrix, check_intrinsics, examine_intrinsics
from .mountings import fitting_mounting
from .notices import notice
from .orientation import orient_intrinsics, orient_pixels, orient_size, resolve_mode
from .paths import printable


class ImageCamera(NamedTuple):
    """An image file with the camera of the pixels that ``load`` gives.

    Attributes:
        path: The file.
        cam2img: Intrinsics of the loaded pixels, float64 (3, 3).
        size: Width and height of the loaded pixels.
        exif: ``ignore``, ``apply`` or ``upright``, see ``orientation.resolve_mode``.
        calibration: Of the pixels before they are turned with their intrinsics.
        cam2ego: How the camera of the loaded pixels is mounted, (4, 4); None where nobody says.
    """

    path: Path
    cam2img: np.ndarray
    size: tuple[int, int]
    exif: str
    calibration: Calibration
    cam2ego: np.ndarray | None = None

    @property
    def distortion(self) -> Distortion | None:
        """Of the lens, None where there is none."""
        return self.calibration.distortion

    def load(self, undistorted: bool = False, value_range: float | None = None) -> np.ndarray:
        """Reads the image, BGR uint8 (H, W, 3).

        Args:
            undistorted: Whether to take the distortion of the calibration out of it.
            value_range: See ``value_range.to_eight_bits``.

        Raises:
            FileNotFoundError: If the file is gone.
            ValueError: If it is no complete image.
        """
        stored = decode_image(read_bytes(self.path), str(self.path), value_range)
        pixels = stored.pixels
        if self.exif == 'upright':
            pixels = orient_pixels(pixels, stored.orientation)
        if undistorted:
            pixels = undistort(pixels, self.calibration.cam2img, self.calibration.distortion)
        return orient_pixels(pixels, stored.orientation) if self.exif == 'apply' else pixels


def camera_from_focal(
    path: str | Path, focal: float, center: tuple[float, float] | None = None
) -> ImageCamera:
    """Camera of square pixels; EXIF turns the image, and both numbers are of what a viewer shows.

    Args:
        path: The image.
        focal: Focal length in pixels.
        center: Principal point in pixels; None takes the middle.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image, or the numbers make no camera of it.
    """
    size = read_image_info(path).upright_size
    x, y = (size[0] / 2, size[1] / 2) if center is None else center
    matrix = fitting_intrinsics([[focal, 0, x], [0, focal, y], [0, 0, 1.0]], size, None, path)
    return ImageCamera(Path(path), matrix, size, 'upright', Calibration(matrix, size))


def camera_of_image(
    path: str | Path,
    calibrations: Calibration | Mapping[str, Calibration] | np.ndarray,
    intrinsics_size: tuple[int, int] | None = None,
    exif: str = 'auto',
    undistorted: bool = False,
) -> ImageCamera:
    """Camera of an image by a calibration; only the head of the image file is looked at.

    A mounting that the calibration has is that of the camera that its intrinsics are of, and turns
    with them.

    Doubts, and distortion that stays in the image, are warned of, each kind once.

    Args:
        path: The image.
        calibrations: What ``read_calibrations`` gave, or a matrix (3, 3).
        intrinsics_size: Width and height that the intrinsics are for; they are rescaled to the
            image where it has another size. That of the image itself confirms them.
        exif: What becomes of an EXIF orientation, see ``orientation.resolve_mode``.
        undistorted: Whether the image will be loaded without its distortion.

    Raises:
        FileNotFoundError: If there is no such image.
        KeyError: If the calibrations do not name it, or may mean several.
        ValueError: If it is no image, or intrinsics or mounting cannot be its own; the message says
            what to do.
    """
    path = Path(path)
    info = read_image_info(path)
    if isinstance(calibrations, (Calibration, Mapping)):
        calibration = calibration_of(path, calibrations)
    else:
        calibration = Calibration(as_matrix(calibrations))
    if intrinsics_size is not None:
        calibration = _stated(calibration, tuple(intrinsics_size), path)
    mode = _mode(exif, info, calibration, path)
    size = info.upright_size if mode == 'upright' else info.size
    rescale = intrinsics_size is not None
    calibration = _of_pixels(calibration, size, rescale, undistorted, path)
    turns = info.orientation if mode == 'apply' else 1
    matrix, cam2ego = calibration.cam2img, calibration.cam2ego
    if turns != 1:
        matrix = orient_intrinsics(matrix, size, turns)
        size = orient_size(size, turns)
    if cam2ego is not None:
        cam2ego = fitting_mounting(cam2ego, turns, path)
    return ImageCamera(path, matrix, size, mode, calibration, cam2ego)


def camera_of_frames(
    path: str | Path,
    calibration: Calibration,
    size: tuple[int, int],
    intrinsics_size: tuple[int, int] | None = None,
    undistorted: bool = False,
) -> Calibration:
    """Calibration of the frames of a video, checked as ``camera_of_image`` checks that of an image.

    Args:
        path: The video, for messages.
        calibration: What ``read_calibrations`` gave.
        size: Width and height of the frames.
        intrinsics_size: As for ``camera_of_image``.
        undistorted: Whether the frames will be used without their distortion.

    Raises:
        ValueError: If the intrinsics cannot be of the frames.
    """
    path = Path(path)
    if intrinsics_size is not None:
        calibration = _stated(calibration, tuple(intrinsics_size), path)
    return _of_pixels(calibration, size, intrinsics_size is not None, undistorted, path)


def _of_pixels(
    calibration: Calibration,
    size: tuple[int, int],
    rescale: bool,
    undistorted: bool,
    path: Path,
) -> Calibration:
    """The calibration of pixels of this size; doubts and distortion are warned of."""
    if rescale and calibration.size != size:
        try:
            calibration = calibration.of_size(size)
        except ValueError as error:
            raise ValueError(f'{printable(path)}: {error}') from error
    matrix = fitting_intrinsics(calibration.cam2img, size, calibration.size, path)
    calibration = calibration._replace(cam2img=matrix, size=size)
    _mention_distortion(calibration, undistorted, path)
    return calibration


def _stated(calibration: Calibration, size: tuple[int, int], path: Path) -> Calibration:
    if calibration.size not in (None, size):
        width, height = calibration.size
        raise ValueError(
            f'the intrinsics of {printable(path)} come with the size {width} x {height}, and '
            f'--intrinsics-size says {size[0]} x {size[1]}; leave it out or correct it'
        )
    return calibration._replace(size=size)


def _mode(exif: str, info: ImageInfo, calibration: Calibration, path: Path) -> str:
    """How the image is loaded: what is asked for, what sizes tell, what makes no difference."""
    size, orientation = info
    if orientation != 1 and exif == 'auto' and orientation < 5:
        turned = orient_intrinsics(calibration.cam2img, calibration.size or size, orientation)
        if np.abs(turned - calibration.cam2img).max() <= 1:
            return 'upright'  # the camera is symmetric, so that its image may be turned
    sizes = [size, info.upright_size]
    fitting = [s for s in sizes if _may_be_of(calibration, s)]
    stated = fitting[0] if len(fitting) == 1 else None
    return resolve_mode(exif, orientation, size, stated, printable(path))


def _may_be_of(calibration: Calibration, size: tuple[int, int]) -> bool:
    """Whether the stated size has the shape of ``size``, or else the centre is in its middle."""
    if calibration.size is not None:
        width, height = calibration.size
        return abs(width * size[1] - height * size[0]) <= 2 * max(size) * max(width / size[0], 1)
    center = calibration.cam2img[:2, 2] / size
    return bool(np.abs(center - 0.5).max() <= OFF_CENTER / 2)


def fitting_intrinsics(
    matrix: object,
    size: tuple[int, int],
    stated: tuple[int, int] | None = None,
    path: str | Path = 'the image',
) -> np.ndarray:
    """Intrinsics as float64 (3, 3), checked against the size of their image; doubts are warned of.

    Args:
        matrix: Intrinsics, see ``check_intrinsics``.
        size: Width and height of the image.
        stated: Width and height that the intrinsics come with, where they are known.
        path: Of the image, for messages.

    Raises:
        ValueError: If they cannot be of the image; the message names it.
    """
    name = printable(path)
    try:
        checked = check_intrinsics(matrix, size, stated)
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from error
    for doubt in examine_intrinsics(checked, size, stated).doubts:
        notice(('intrinsics', doubt), f'{name}: {doubt}')
    return checked


def _mention_distortion(calibration: Calibration, undistorted: bool, path: Path) -> None:
    if calibration.distortion is not None and not undistorted:
        notice(
            ('distortion', calibration.distortion),
            f'{printable(path)}: the calibration has distortion coefficients '
            f'({calibration.distortion}), which are not used: boxes will be off towards the border '
            'unless the images are undistorted already; --undistort does it',
        )

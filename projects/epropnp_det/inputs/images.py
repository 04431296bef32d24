"""The one way in for images: read the bytes, decode them, turn them, make them eight bits."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from .completeness import is_cut_short, kind_of, with_end
from .orientation import (
    find_orientation,
    orient_intrinsics,
    orient_pixels,
    orient_size,
    resolve_mode,
    without_orientation,
)
from .paths import printable
from .value_range import to_eight_bits

COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
GRAYSCALE = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION


class StoredImage(NamedTuple):
    """An image as it is stored.

    Attributes:
        pixels: BGR uint8 (H, W, 3), or gray (H, W).
        orientation: EXIF orientation, 1 where the file states none.
    """

    pixels: np.ndarray
    orientation: int


class ImageInfo(NamedTuple):
    """What an image file says of itself.

    Attributes:
        size: Width and height of the stored pixels.
        orientation: EXIF orientation, 1 where the file states none.
    """

    size: tuple[int, int]
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the image as a viewer shows it."""
        return orient_size(self.size, self.orientation)


class CameraImage(NamedTuple):
    """An image with the intrinsics of its pixels.

    Attributes:
        pixels: BGR uint8 (H, W, 3), or gray (H, W).
        cam2img: Intrinsics, float64 (3, 3).
    """

    pixels: np.ndarray
    cam2img: np.ndarray


def decode_image(
    content: bytes, name: str, value_range: float | None = None, gray: bool = False
) -> StoredImage:
    """Decodes the bytes of an image file.

    What follows the end of the image does not matter. Pixels of more than eight bits are scaled,
    see ``to_eight_bits``. Orientations are reported and not applied, whatever the format.

    Args:
        content: The file.
        name: Of the file, for messages.
        value_range: See ``to_eight_bits``.
        gray: Whether to make one channel.

    Raises:
        ValueError: If it is no image, one of a format that OpenCV lacks, or cut short.
    """
    tag = find_orientation(content)
    if content[:4] in (b'II*\0', b'MM\0*'):  # OpenCV turns TIFF images whatever it is told
        content = without_orientation(content, tag)
    complete = with_end(content)
    pixels = _decoded(complete, GRAYSCALE if gray else COLOR)
    if pixels is None or (complete is not content and is_cut_short(content)):
        raise ValueError(_why(content, printable(name)))
    pixels = to_eight_bits(pixels, value_range, printable(name))
    return StoredImage(pixels, 1 if tag is None else tag.value)


def _decoded(content: bytes, flags: int) -> np.ndarray | None:
    if not content:
        return None
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # for instance more pixels than OpenCV takes
        return None


def _why(content: bytes, name: str) -> str:
    """Why OpenCV makes nothing of a file."""
    if not content:
        return f'{name} is not an image that OpenCV can read: it is empty'
    kind = kind_of(content)
    if kind in ('HEIC', 'AVIF', 'GIF'):
        return (
            f'{name} is not an image that OpenCV can read: it is {kind}, convert it to JPEG or PNG'
        )
    if is_cut_short(content):
        return f'{name} is a truncated {kind} file; copy or download it again'
    if kind is not None:
        return f'{name} is a damaged {kind} file, or a truncated one; copy or download it again'
    return f'{name} is not an image that OpenCV can read'


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise FileNotFoundError(f'no image {printable(path)}') from error


def read_image(
    path: str | Path, upright: bool = False, value_range: float | None = None
) -> np.ndarray:
    """Reads an image where nobody asks for intrinsics.

    Args:
        path: The file.
        upright: Whether to turn the pixels as EXIF says; else they are those that are stored.
        value_range: See ``to_eight_bits``.

    Returns:
        BGR uint8 (H, W, 3).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image, see ``decode_image``.
    """
    stored = decode_image(read_bytes(path), str(path), value_range)
    return orient_pixels(stored.pixels, stored.orientation) if upright else stored.pixels


def read_camera_image(
    path: str | Path,
    cam2img: np.ndarray,
    exif: str = 'auto',
    stated_size: tuple[int, int] | None = None,
    value_range: float | None = None,
) -> CameraImage:
    """Reads an image whose intrinsics are known, so that the two fit.

    Args:
        path: The file.
        cam2img: Intrinsics, (3, 3).
        exif: What becomes of an EXIF orientation, see ``resolve_mode``.
        stated_size: Width and height that the intrinsics are for, where they are known.
        value_range: See ``to_eight_bits``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image, or its orientation is not resolved.
    """
    stored = decode_image(read_bytes(path), str(path), value_range)
    return with_intrinsics(stored, cam2img, exif, stated_size, str(path))


def with_intrinsics(
    stored: StoredImage,
    cam2img: np.ndarray,
    exif: str,
    stated_size: tuple[int, int] | None,
    name: str,
) -> CameraImage:
    """A stored image and its intrinsics, both turned as ``resolve_mode`` decides."""
    cam2img = np.asarray(cam2img, dtype=np.float64)
    if stored.orientation == 1:
        return CameraImage(stored.pixels, cam2img)
    size = (stored.pixels.shape[1], stored.pixels.shape[0])
    mode = resolve_mode(exif, stored.orientation, size, stated_size, printable(name))
    if mode == 'ignore':
        return CameraImage(stored.pixels, cam2img)
    if mode == 'apply':
        cam2img = orient_intrinsics(cam2img, size, stored.orientation)
    return CameraImage(orient_pixels(stored.pixels, stored.orientation), cam2img)


def read_image_info(path: str | Path) -> ImageInfo:
    """Size and orientation of an image file without decoding it, so that many can be checked.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image, or is plainly cut short.
    """
    content = read_bytes(path)
    if is_cut_short(content):
        raise ValueError(_why(content, printable(path)))
    tag = find_orientation(content)
    orientation = 1 if tag is None else tag.value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(without_orientation(content, tag))) as image:
                if kind_of(content) not in ('HEIC', 'AVIF', 'GIF'):
                    return ImageInfo(image.size, orientation)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, SyntaxError):
        pass  # a format that only OpenCV reads, or none
    height, width = decode_image(content, str(path)).pixels.shape[:2]
    return ImageInfo((width, height), orientation)


def write_image(path: str | Path, pixels: np.ndarray, quality: int = 92) -> Path:
    """Writes an image file whose folder exists; the suffix says the format.

    Args:
        path: Target, with any bytes in its name, which ``cv2.imwrite`` does not survive.
        pixels: BGR uint8 (H, W, 3), or gray (H, W).
        quality: Of JPEG.

    Raises:
        OSError: If it cannot be written.
    """
    path = Path(path)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix in ('.jpg', '.jpeg') else []
    try:
        _, content = cv2.imencode(path.suffix, pixels, options)
        path.write_bytes(content.tobytes())
    except (cv2.error, OSError) as error:
        raise OSError(f'cannot write {printable(path)}: {error}') from error
    return path

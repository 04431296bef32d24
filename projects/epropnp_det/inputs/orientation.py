"""EXIF orientation: how a viewer turns the stored pixels, and what that does to a camera.

Orientation 1 is upright; 3 is turned by half; 6 and 8 by a quarter; 2, 4, 5 and 7 are mirrored.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

ORIENTATION_TAG = 0x0112
EXIF_MODES = ('auto', 'ignore', 'apply', 'upright')
# Rows of the 2 x 2 map from stored to upright pixel axes.
AXES = {
    1: ((1, 0), (0, 1)),
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    6: ((0, -1), (1, 0)),
    7: ((0, -1), (-1, 0)),
    8: ((0, 1), (-1, 0)),
}


class OrientationTag(NamedTuple):
    """Where an orientation stands in a file.

    Attributes:
        value: 1 to 8.
        position: Of its two bytes in the content.
        order: Byte order, ``<`` or ``>``.
    """

    value: int
    position: int
    order: str


def find_orientation(content: bytes) -> OrientationTag | None:
    """The orientation that a JPEG, PNG, WebP or TIFF file states; None where it states none."""
    start = _exif_start(content)
    if start is None:
        return None
    order = {b'II*\0': '<', b'MM\0*': '>'}.get(content[start : start + 4])
    if order is None:
        return None
    try:
        (offset,) = struct.unpack_from(order + 'I', content, start + 4)
        (count,) = struct.unpack_from(order + 'H', content, start + offset)
        for entry in range(start + offset + 2, start + offset + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + 'HHIH', content, entry)
            if tag == ORIENTATION_TAG:
                return OrientationTag(value, entry + 8, order) if value in AXES else None
    except struct.error:
        return None
    return None


def without_orientation(content: bytes, tag: OrientationTag | None) -> bytes:
    """The same file stating orientation 1, for decoders that turn what they read."""
    if tag is None or tag.value == 1:
        return content
    neutral = struct.pack(tag.order + 'H', 1)
    return content[: tag.position] + neutral + content[tag.position + 2 :]


def _exif_start(content: bytes) -> int | None:
    """Position of the TIFF header that holds the tags."""
    if content[:2] == b'\xff\xd8':
        return _exif_of_jpeg(content)
    if content[:8] == b'\x89PNG\r\n\x1a\n':
        return _exif_of_chunks(content, 8, '>I4s', b'eXIf', tail=4)
    if content[:4] == b'RIFF' and content[8:12] == b'WEBP':
        return _exif_of_chunks(content, 12, '<4sI', b'EXIF', tail=0)
    return 0 if content[:4] in (b'II*\0', b'MM\0*') else None


def _exif_of_jpeg(content: bytes) -> int | None:
    position = 2
    while content[position : position + 1] == b'\xff':
        marker = content[position + 1 : position + 2]
        if marker == b'\xff':  # a fill byte
            position += 1
            continue
        if marker in (b'\xda', b'\xd9', b''):
            return None
        if marker == b'\xe1' and content[position + 4 : position + 10] == b'Exif\0\0':
            return position + 10
        position += 2 + int.from_bytes(content[position + 2 : position + 4], 'big')
    return None


def _exif_of_chunks(
    content: bytes, position: int, header: str, wanted: bytes, tail: int
) -> int | None:
    """Of PNG (length, name, data, checksum) or WebP (name, length, data, even)."""
    while position + 8 <= len(content):
        fields = struct.unpack_from(header, content, position)
        length, name = fields if tail else fields[::-1]
        if name == wanted:
            start = position + 8
            return start + 6 * (content[start : start + 6] == b'Exif\0\0')
        position += 8 + length + tail + (0 if tail else length % 2)
    return None


def orient_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, ...) as a viewer shows them."""
    (a, b), (c, d) = AXES[orientation]
    if a == 0:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[:: c + d, :: a + b])


def orient_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright image."""
    return size if orientation < 5 else (size[1], size[0])


def orient_intrinsics(cam2img: np.ndarray, size: tuple[int, int], orientation: int) -> np.ndarray:
    """Intrinsics of the upright image.

    The camera turns with its image, so that x still points right and y down in the picture; a
    mirrored image is that of a mirrored world.

    Args:
        cam2img: Intrinsics of the stored pixels, (3, 3).
        size: Width and height of the stored image.
        orientation: 1 to 8.

    Raises:
        ValueError: If the pixels are skewed and the image is turned by a quarter.
    """
    axes = np.eye(3)
    axes[:2, :2] = AXES[orientation]
    pixel_map = axes.copy()
    pixel_map[:2, 2] = np.maximum(-axes[:2, :2] @ np.array(size, dtype=np.float64), 0)
    turned = pixel_map @ cam2img @ axes.T
    if abs(turned[1, 0]) > 1e-9:
        raise ValueError('intrinsics with skew cannot be turned by a quarter; turn the image file')
    return turned


def resolve_mode(
    mode: str,
    orientation: int,
    size: tuple[int, int],
    stated_size: tuple[int, int] | None,
    name: str,
) -> str:
    """What to do with an image of this orientation: ``ignore``, ``apply`` or ``upright``.

    Args:
        mode: ``ignore``: the pixels as they are stored; ``apply``: turned, and with them the
            intrinsics, which are of the stored pixels; ``upright``: turned, the intrinsics are of
            the upright image already; ``auto``: what the stated size says.
        orientation: 1 to 8.
        size: Width and height of the stored pixels.
        stated_size: Width and height that the intrinsics are for, where they are known.
        name: Of the image, for messages.

    Raises:
        ValueError: If the mode is unknown, or it is ``auto`` and the size does not tell.
    """
    if mode not in EXIF_MODES:
        raise ValueError(f'exif must be one of {EXIF_MODES}, got {mode!r}')
    if orientation == 1 or mode != 'auto':
        return 'ignore' if orientation == 1 else mode
    upright = orient_size(size, orientation)
    if stated_size is not None and upright != size and stated_size in (size, upright):
        return 'ignore' if stated_size == size else 'upright'
    raise ValueError(
        f'{name} has EXIF orientation {orientation}: it is stored as {size[0]} x {size[1]} pixels '
        'and shown turned or mirrored; say what its intrinsics are of: exif=ignore (the stored '
        'pixels, which stay), exif=apply (the stored pixels, both are turned) or exif=upright (the '
        'picture as it is shown); image_demo: --exif MODE, configs: LoadImageMono3D(exif=MODE), '
        'API: detect(..., exif=MODE)'
    )

"""Tells an image file that was cut short from one with something after its end."""

from __future__ import annotations

import re

import cv2
import numpy as np

# The first bytes of a file, what it is, and what it should hold.
KINDS = (
    (b'\xff\xd8', 'JPEG'),
    (b'\x89PNG', 'PNG'),
    (b'RIFF', 'WebP'),
    (b'II*\0', 'TIFF'),
    (b'MM\0*', 'TIFF'),
    (b'II+\0', 'TIFF'),
    (b'MM\0+', 'TIFF'),
    (b'BM', 'BMP'),
    (b'GIF8', 'GIF'),
    (b'\0\0\0\x0cjP', 'JPEG 2000'),
    (b'P5', 'PNM'),
    (b'P6', 'PNM'),
)
# ISO media files by their brand, which OpenCV does not read.
BRANDS = {b'heic': 'HEIC', b'heix': 'HEIC', b'mif1': 'HEIC', b'msf1': 'HEIC', b'avif': 'AVIF'}
# In entropy-coded data 0xff is followed by a stuffed zero, a restart or a fill byte.
NEXT_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')
PADDING = re.compile(rb'(\x00{16,}|\xff{16,})\Z')
END_OF_JPEG = b'\xff\xd9'
FILLINGS = (b'\x00', b'\x5a')
FILLING_LENGTH = 4096


def kind_of(content: bytes) -> str | None:
    """Name of the format, None where it is not known."""
    if content[4:8] == b'ftyp':
        return BRANDS.get(content[8:12])
    return next((kind for start, kind in KINDS if content.startswith(start)), None)


def is_cut_short(content: bytes) -> bool:
    """Whether a decoder has to invent a part of the image, as OpenCV does for JPEG in silence.

    Whatever follows the end does not matter: the film of a motion photo, padding, a second image.
    Of the formats that OpenCV reads only JPEG needs this test: of the others it refuses a part. It
    is made for PNG and WebP, too, where it costs nothing, so that it can be made before decoding.
    """
    if content[:2] == b'\xff\xd8':
        return not _has_end(content) and _depends_on_filling(content)
    if content[:4] == b'RIFF':
        return int.from_bytes(content[4:8], 'little') + 8 > len(content)
    return content[:4] == b'\x89PNG' and b'IEND' not in content


def with_end(content: bytes) -> bytes:
    """The file with its end marker, without which OpenCV leaves out the last rows of a JPEG."""
    if content[:2] != b'\xff\xd8' or _has_end(content):
        return content
    return PADDING.sub(b'', content) + END_OF_JPEG


def _has_end(content: bytes) -> bool:
    """Whether a JPEG file has its end marker, outside of thumbnails and the like."""
    position = 2
    while True:
        found = NEXT_MARKER.search(content, position)
        if found is None:
            return False
        marker = content[found.start() + 1]
        if marker == 0xD9:
            return True
        if marker == 0x01:  # stands alone
            position = found.end()
            continue
        length = int.from_bytes(content[found.end() : found.end() + 2], 'big')
        position = found.end() + max(length, 2)


def _depends_on_filling(content: bytes) -> bool:
    """Whether what is put after the end changes the picture: for files without an end marker.

    Cameras that leave the marker out write complete pictures; a file that was cut short, or whose
    rest is zeros, does not.
    """
    body = PADDING.sub(b'', content)
    pictures = [
        cv2.imdecode(
            np.frombuffer(body + filling * FILLING_LENGTH + END_OF_JPEG, np.uint8), cv2.IMREAD_COLOR
        )
        for filling in FILLINGS
    ]
    return any(picture is None for picture in pictures) or not np.array_equal(*pictures)

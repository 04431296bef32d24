"""Pictures into a video file that is either complete or absent."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from .canvas import as_canvas

FORMATS = {'.mp4': 'mp4v', '.avi': 'MJPG'}


class VideoWriter:
    """Writes BGR pictures of one size; use it in a ``with`` block.

    The file gets its name when the block ends well; an interrupted run leaves none behind.

    Args:
        path: ``.mp4`` or ``.avi``.
        fps: Frames per second.

    Raises:
        ValueError: If the suffix is another one.
    """

    def __init__(self, path: str | Path, fps: float = 10.0) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in FORMATS:
            raise ValueError(f'a video must end in {" or ".join(FORMATS)}, got {self.path.name}')
        self.fps = fps
        self.size: tuple[int, int] | None = None
        self._part = self.path.with_name(f'.{self.path.stem}.part{self.path.suffix}')
        self._writer: cv2.VideoWriter | None = None

    def write(self, picture: np.ndarray) -> None:
        """Appends a picture, BGR uint8 (H, W, 3); the first one sets the size.

        Later ones are fitted into it, with grey bars where their shape differs.

        Raises:
            OSError: If the video cannot be written.
        """
        picture = as_canvas(picture)
        if self._writer is None:
            height, width = picture.shape[:2]
            self.size = (width - width % 2, height - height % 2)  # codecs want even sides
            self._open()
        if self._writer is not None and self.size is not None:
            self._writer.write(fitted(picture, self.size))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._writer is not None:
            self._writer.release()
            if kind is None:
                os.replace(self._part, self.path)
        if self._part.exists():
            self._part.unlink()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        code = cv2.VideoWriter_fourcc(*FORMATS[self.path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(self._part), code, self.fps, self.size)
        if not self._writer.isOpened():
            raise OSError(f'cannot write the video {self.path}; is the folder writable?')


def fitted(picture: np.ndarray, size: tuple[int, int], background: int = 128) -> np.ndarray:
    """The picture in the middle of a canvas of this width and height, as large as it goes."""
    width, height = size
    if picture.shape[:2] == (height, width):
        return picture
    factor = min(width / picture.shape[1], height / picture.shape[0])
    inner = (
        min(width, max(1, round(factor * picture.shape[1]))),
        min(height, max(1, round(factor * picture.shape[0]))),
    )
    canvas = np.full((height, width, 3), background, dtype=np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    resized = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    canvas[top : top + inner[1], left : left + inner[0]] = resized
    return canvas

"""Videos as streams of frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from .notices import notice
from .paths import printable

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')


class Video(NamedTuple):
    """What a video file says of itself.

    Attributes:
        path: The file.
        size: Width and height of a frame.
        fps: Frames per second; 10 where the file states none.
        count: Frames that the file promises; 0 where it does not say.
    """

    path: Path
    size: tuple[int, int]
    fps: float
    count: int

    def frames(self) -> Iterator[np.ndarray]:
        """Decodes the frames one by one, BGR uint8 (H, W, 3).

        A video that ends before it promised to is warned of; what was read has been yielded.
        """
        capture = cv2.VideoCapture(str(self.path))
        read = 0
        try:
            while True:
                known, frame = capture.read()
                if not known:
                    break
                read += 1
                yield frame
        finally:
            capture.release()
        if read < self.count:
            notice(
                ('video', str(self.path)),
                f'{printable(self.path)} ends after {read} of {self.count} frames: it is cut short '
                'or damaged; the frames read are used',
            )


def open_video(path: str | Path) -> Video:
    """Looks at a video without decoding more than its first frame.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If OpenCV cannot decode its first frame.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no video {printable(path)}')
    capture = cv2.VideoCapture(str(path))
    try:
        known, frame = capture.read() if capture.isOpened() else (False, None)
        if not known:
            raise ValueError(
                f'{printable(path)} is not a video that OpenCV can read, or cut short; convert it '
                'to mp4 (H.264), or copy it again'
            )
        fps = capture.get(cv2.CAP_PROP_FPS)
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()
    height, width = frame.shape[:2]
    return Video(path, (width, height), fps if 0 < fps < 1000 else 10.0, max(count, 0))

"""Joins the pictures of tools/test.py --show-dir into a video: a frame shows a whole sample."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from epropnp_det.inputs import read_image


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('pictures', type=Path, help='folder that --show-dir wrote')
    parser.add_argument('out', type=Path, help='video to write, .mp4 or .avi')
    parser.add_argument('--fps', type=float, default=2.0, help='nuScenes has 2 keyframes a second')
    parser.add_argument('--width', type=int, default=1280, help='of the video')
    return parser.parse_args()


def panels(folder: Path) -> list[Path]:
    """The pictures of whole samples, ``<number>_<sample>.jpg``, in order.

    Raises:
        FileNotFoundError: If there is none.
    """
    found = sorted(path for path in folder.glob('*.jpg') if path.stem.count('_') == 1)
    if not found:
        raise FileNotFoundError(f'no pictures of samples in {folder}; see tools/test.py --show-dir')
    return found


def write_video(pictures: Sequence[Path], out: Path, fps: float, width: int) -> None:
    """Writes pictures of one shape as a video.

    Raises:
        ValueError: If OpenCV cannot write such a file.
    """
    codec = cv2.VideoWriter_fourcc(*('MJPG' if out.suffix == '.avi' else 'mp4v'))
    height, full = read_image(pictures[0]).shape[:2]
    size = width, round(height * width / full / 2) * 2  # codecs want even sides
    writer = cv2.VideoWriter(str(out), codec, fps, size)
    if not writer.isOpened():
        raise ValueError(f'OpenCV cannot write {out}; take a name that ends in .avi or .mp4')
    for path in pictures:
        writer.write(cv2.resize(read_image(path), size, interpolation=cv2.INTER_AREA))
    writer.release()


def main() -> None:
    """Join what is there."""
    args = parse_args()
    try:
        pictures = panels(args.pictures)
        write_video(pictures, args.out, args.fps, args.width)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{len(pictures)} frames in {args.out}')


if __name__ == '__main__':
    main()

"""The files of the KITTI object benchmark: labels, results and calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

UNKNOWN = -10.0
"""Angle of an object whose orientation is not known."""


class KittiObjects(NamedTuple):
    """The ``n`` lines of a label or result file, in the frame of camera 0.

    Attributes:
        types: ``Car``, ``Van``, ``DontCare``, ...
        truncated: Share outside the image, -1 where unknown, (n,).
        occluded: 0 visible, 1 partly, 2 largely occluded, 3 or -1 unknown, (n,).
        alpha: Observation angle in radians, (n,).
        bboxes: x1 y1 x2 y2 in pixels, (n, 4).
        dims: Height, width, length in metres, as in the file, (n, 3).
        locations: Centre of the bottom face, metres, (n, 3).
        yaws: ``rotation_y`` in radians, (n,).
        scores: Confidence; 1 in labels, (n,).
    """

    types: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    alpha: np.ndarray
    bboxes: np.ndarray
    dims: np.ndarray
    locations: np.ndarray
    yaws: np.ndarray
    scores: np.ndarray

    def select(self, mask: np.ndarray) -> KittiObjects:
        """Some of the objects."""
        return KittiObjects(*(values[mask] for values in self))

    @classmethod
    def of_rows(cls, types: Sequence[str], rows: np.ndarray) -> KittiObjects:
        """Of types and the 14 or 15 numbers behind them, (n, 14) or (n, 15)."""
        if rows.shape[1] == 14:
            rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
        return cls(
            np.array(types, dtype=object),
            rows[:, 0],
            rows[:, 1],
            rows[:, 2],
            rows[:, 3:7],
            rows[:, 7:10],
            rows[:, 10:13],
            rows[:, 13],
            rows[:, 14],
        )


def read_objects(path: str | Path) -> KittiObjects:
    """Reads a label file (15 columns) or a result file (16 columns).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is of another kind; the message names file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no KITTI label file {path}')
    types, rows = [], []
    for number, line in enumerate(path.read_text('utf-8').splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            values = [float(word) for word in words[1:]]
        except ValueError:
            values = []
        if len(values) not in (14, 15) or (rows and len(values) != len(rows[0])):
            raise ValueError(
                f'{path}:{number} is not "type" and 14 numbers (labels) or 15 (results): {line:.80}'
            )
        types.append(words[0])
        rows.append(values)
    columns = len(rows[0]) if rows else 14
    return KittiObjects.of_rows(types, np.array(rows, dtype=np.float64).reshape(-1, columns))


def write_results(path: str | Path, objects: KittiObjects) -> Path:
    """Writes the result file of one image as the server wants it; an image may have no object."""
    return _write(path, objects, [f' {score:.6f}' for score in objects.scores])


def write_labels(path: str | Path, objects: KittiObjects) -> Path:
    """Writes the label file of one image, without scores."""
    return _write(path, objects, [''] * len(objects.scores))


def _write(path: str | Path, objects: KittiObjects, ends: list[str]) -> Path:
    lines = []
    for row, end in zip(zip(*objects), ends):
        kind, truncated, occluded, alpha, bbox, dims, location, yaw, _ = row
        numbers = [alpha, *bbox, *dims, *location, yaw]
        text = ' '.join(f'{value:.4f}' for value in numbers)
        lines.append(f'{kind} {truncated:g} {occluded:g} {text}{end}\n')
    path = Path(path)
    path.write_text(''.join(lines))
    return path


def read_projection(path: str | Path, camera: int = 2) -> np.ndarray:
    """Reads the projection ``P2`` (or of another camera) of a calibration file, (3, 4).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no such line, or the line has not 12 numbers.
    """
    path, name = Path(path), f'P{camera}'
    if not path.is_file():
        raise FileNotFoundError(f'no KITTI calibration {path}')
    for line in path.read_text('utf-8').splitlines():
        key, _, values = line.partition(':')
        if key.strip() != name:
            continue
        try:
            return np.array(values.split(), dtype=np.float64).reshape(3, 4)
        except ValueError as error:
            raise ValueError(
                f'{path}: {name} must have 12 numbers: {values.strip():.60}'
            ) from error
    raise ValueError(f'{path} has no line {name}')


def camera_offset(projection: np.ndarray) -> np.ndarray:
    """Where camera 0 lies in the frame of the camera of a projection ``K [I | t]``: t, (3,).

    Labels are given in the frame of camera 0, six centimetres beside the colour camera 2; a point x
    of camera 0 is x + t in camera 2.

    Args:
        projection: (3, 4).
    """
    return np.linalg.solve(projection[:, :3], projection[:, 3])

"""How many annotated objects a detector finds, and how well: a report for a handful of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..visualization import Objects
from ..visualization.palette import HEADINGLESS_CLASSES


class Matches(NamedTuple):
    """Pairs of detections and annotated objects of one image.

    Attributes:
        detections: Rows of the detections, (m,).
        ground_truth: Rows of the annotated objects, (m,).
        distances: Bird's-eye distance of the centres in metres, (m,).
    """

    detections: np.ndarray
    ground_truth: np.ndarray
    distances: np.ndarray


class Report(NamedTuple):
    """What was found of the annotated objects that count.

    Attributes:
        total: Annotated objects that count.
        found: How many of them have a detection of their class within the distance.
        detections: Detections at this score threshold, of any kind.
        true_detections: How many of them belong to an annotated object, counted or not.
        distance_error: Median bird's-eye distance in metres of the found ones, NaN for none.
        yaw_error: Median yaw error in radians over classes with a heading, NaN for none.
    """

    total: int
    found: int
    detections: int
    true_detections: int
    distance_error: float
    yaw_error: float

    @property
    def recall(self) -> float:
        """Share of the counted objects that was found; NaN where there is none."""
        return self.found / self.total if self.total else float('nan')

    @property
    def precision(self) -> float:
        """Share of the detections that belong to an annotated object; NaN without detections."""
        return self.true_detections / self.detections if self.detections else float('nan')


def match(found: Objects, truth: Objects, max_distance: float | np.ndarray = 2.0) -> Matches:
    """Pairs each detection, best score first, with the nearest free object of its class.

    This is the devkit's rule (greedy, one to one, bird's-eye centre distance) for one image.

    Args:
        found: Detections with scores.
        truth: Annotated objects.
        max_distance: Bird's-eye distance in metres up to which a pair counts, one for all or one
            per annotated object, (g,).
    """
    offsets = found.boxes[:, None, [3, 5]] - truth.boxes[None, :, [3, 5]]  # (n, g, 2)
    distances = np.linalg.norm(offsets, axis=-1)  # (n, g)
    distances[found.labels[:, None] != truth.labels[None]] = np.inf
    distances[distances > max_distance] = np.inf
    pairs = []
    for row in np.argsort(-found.scores, kind='stable'):
        column = int(np.argmin(distances[row])) if len(truth.boxes) else -1
        if column >= 0 and np.isfinite(distances[row, column]):
            pairs.append((row, column, distances[row, column]))
            distances[:, column] = np.inf
    table = np.array(pairs, dtype=np.float64).reshape(-1, 3)
    return Matches(table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2])


def counted(
    truth: Objects,
    bboxes: np.ndarray,
    max_range: float = 40.0,
    min_size: float = 16.0,
    both_sides: bool = False,
) -> np.ndarray:
    """Which annotated objects are near and large enough to count.

    Args:
        truth: Annotated objects.
        bboxes: Their visible 2D boxes in pixels of the original image, (n, 4).
        max_range: Bird's-eye distance from the camera in metres.
        min_size: Pixels that the larger side of the 2D box must exceed.
        both_sides: Whether the smaller side must exceed it, too.

    Returns:
        bool (n,).
    """
    sides = bboxes[:, 2:] - bboxes[:, :2]  # (n, 2)
    size = sides.min(axis=1) if both_sides else sides.max(axis=1)
    return (np.linalg.norm(truth.boxes[:, [3, 5]], axis=1) < max_range) & (size > min_size)


def yaw_errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Absolute angle between yaws in radians, 0 to pi, elementwise."""
    return np.abs((found - truth + np.pi) % (2 * np.pi) - np.pi)


def report(
    images: Sequence[tuple[Objects, Objects, np.ndarray]],
    class_names: Sequence[str],
    score_thr: float = 0.0,
    max_distance: float = 2.0,
) -> Report:
    """Sums up the matches of several images.

    Args:
        images: Per image the detections, the annotated objects, and which of those count
            (``counted``). Those that do not count can still be matched and take their detection.
        class_names: Names of the classes; headingless ones stay out of the yaw error.
        score_thr: Detections below are left out.
        max_distance: Bird's-eye distance in metres up to which a pair counts.
    """
    headless = [i for i, name in enumerate(class_names) if name in HEADINGLESS_CLASSES]
    total = detections = true_detections = 0
    distances: list[float] = []
    angles: list[float] = []
    for found, truth, keep in images:
        found = found.above(score_thr)
        pairs = match(found, truth, max_distance)
        total += int(keep.sum())
        detections += len(found.boxes)
        true_detections += len(pairs.detections)
        counts = keep[pairs.ground_truth]
        distances += pairs.distances[counts].tolist()
        turned = counts & ~np.isin(truth.labels[pairs.ground_truth], headless)
        found_yaw = found.boxes[pairs.detections[turned], 6]
        angles += yaw_errors(found_yaw, truth.boxes[pairs.ground_truth[turned], 6]).tolist()
    return Report(
        total=total,
        found=len(distances),
        detections=detections,
        true_detections=true_detections,
        distance_error=float(np.median(distances)) if distances else float('nan'),
        yaw_error=float(np.median(angles)) if angles else float('nan'),
    )

"""KITTI's average precision at 40 recall positions, on the CPU.

Follows the benchmark's own ``evaluate_object.cpp``: which labels and detections count at which
difficulty, how they are matched, at which scores precision is taken. Checked against mmdet3d's
numba version where that runs without a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .files import KittiObjects
from .overlaps import box_overlaps, ground_overlaps, image_overlaps

POSITIONS = 40
DIFFICULTIES = ('easy', 'moderate', 'hard')
MIN_HEIGHT = (40, 25, 25)
MAX_OCCLUSION = (0, 1, 2)
MAX_TRUNCATION = (0.15, 0.3, 0.5)
NEIGHBOURS = {'Car': 'Van', 'Pedestrian': 'Person_sitting'}
"""Classes so similar that finding them is no mistake."""
MIN_OVERLAP = {'Car': 0.7, 'Pedestrian': 0.5, 'Cyclist': 0.5}
METRICS = ('2d', 'bev', '3d')
COUNTS, EXTRA, OTHER = 0, 1, -1
"""An object that counts; one that may be matched without effect; one that is not there."""


class ClassScores(NamedTuple):
    """Average precision of one class in percent; NaN where no label counts.

    Attributes:
        precision: By metric, then easy, moderate, hard.
        orientation: Average orientation similarity by difficulty, of the 2D matches.
    """

    precision: dict[str, list[float]]
    orientation: list[float]


class Image(NamedTuple):
    """Labels and detections of one image, prepared for one class, metric and difficulty."""

    overlaps: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    scores: np.ndarray
    stuff: np.ndarray
    similarity: np.ndarray


def evaluate_class(
    truths: Sequence[KittiObjects],
    detections: Sequence[KittiObjects],
    name: str,
    min_overlap: float | None = None,
) -> ClassScores:
    """Scores one class.

    Args:
        truths: Labels of each image, ``DontCare`` included.
        detections: Detections of each image.
        name: ``Car``, ``Pedestrian`` or ``Cyclist``.
        min_overlap: Overlap that a match needs; None takes that of the benchmark.
    """
    needed = MIN_OVERLAP[name] if min_overlap is None else min_overlap
    precision: dict[str, list[float]] = {}
    orientation: list[float] = []
    for metric in METRICS:
        overlaps = [_overlaps(metric, f, t) for f, t in zip(detections, truths)]
        precision[metric] = []
        for level in range(len(DIFFICULTIES)):
            images = [
                _prepare(*pair, name, level, metric, needed)
                for pair in zip(truths, detections, overlaps)
            ]
            ap, similarity = _average(images, needed)
            precision[metric].append(ap)
            if metric == '2d':
                orientation.append(similarity)
    return ClassScores(precision, orientation)


def _overlaps(metric: str, found: KittiObjects, truth: KittiObjects) -> np.ndarray:
    if metric == '2d':
        return image_overlaps(found.bboxes, truth.bboxes)
    overlaps = np.zeros((len(found.yaws), len(truth.yaws)))
    solid = (truth.dims > 0).all(-1)  # DontCare has no box in space
    measure = ground_overlaps if metric == 'bev' else box_overlaps
    overlaps[:, solid] = measure(found, truth.select(solid))
    return overlaps


def _prepare(
    truth: KittiObjects,
    found: KittiObjects,
    overlaps: np.ndarray,
    name: str,
    level: int,
    metric: str,
    min_overlap: float,
) -> Image:
    """Decides what counts and leaves out what is not there."""
    height = truth.bboxes[:, 3] - truth.bboxes[:, 1]
    hard = (
        (truth.occluded > MAX_OCCLUSION[level])
        | (truth.truncated > MAX_TRUNCATION[level])
        | (height <= MIN_HEIGHT[level])
    )
    same, near = truth.types == name, truth.types == NEIGHBOURS.get(name)
    truth_role = np.select([same & ~hard, same | near], [COUNTS, EXTRA], OTHER)
    low = np.abs(found.bboxes[:, 3] - found.bboxes[:, 1]) < MIN_HEIGHT[level]
    found_role = np.select([low, found.types == name], [EXTRA, COUNTS], OTHER)
    stuff = np.zeros(len(found_role), dtype=bool)
    if metric == '2d':
        ignored = truth.bboxes[truth.types == 'DontCare']
        stuff = (image_overlaps(found.bboxes, ignored, of_first=True) > min_overlap).any(-1)
    rows, columns = found_role != OTHER, truth_role != OTHER
    turn = found.alpha[:, None] - truth.alpha[None]
    return Image(
        overlaps[rows][:, columns],
        truth_role[columns],
        found_role[rows],
        found.scores[rows],
        stuff[rows],
        ((1 + np.cos(turn)) / 2)[rows][:, columns],
    )


def _average(images: Sequence[Image], min_overlap: float) -> tuple[float, float]:
    """Average precision and orientation similarity in percent."""
    total = sum(int((image.truth == COUNTS).sum()) for image in images)
    if total == 0:
        return float('nan'), float('nan')
    scores = np.concatenate([_true_scores(image, min_overlap) for image in images])
    thresholds = score_thresholds(scores, total)
    counts = np.zeros((3, len(thresholds)))
    for image in images:
        if len(image.found):
            counts += _counts(image, min_overlap, thresholds)
    hits, misses, similarity = counts
    curves = np.zeros((2, POSITIONS + 1))
    answers = np.maximum(hits + misses, 1e-9)
    curves[:, : len(thresholds)] = hits / answers, similarity / answers
    # precision at a recall is the best at that recall or any higher one
    curves = np.maximum.accumulate(curves[:, ::-1], axis=1)[:, ::-1]
    ap, aos = 100 * curves[:, 1:].mean(axis=1)
    return float(ap), float(aos)


def _true_scores(image: Image, min_overlap: float) -> np.ndarray:
    """Scores of the detections that each label takes, the most confident that overlaps it."""
    free = np.ones(len(image.found), dtype=bool)
    scores = []
    for column, role in enumerate(image.truth):
        candidates = np.flatnonzero(free & (image.overlaps[:, column] > min_overlap))
        if not len(candidates):
            continue
        best = candidates[np.argmax(image.scores[candidates])]
        free[best] = False
        if role == COUNTS and image.found[best] == COUNTS:
            scores.append(image.scores[best])
    return np.array(scores)


def score_thresholds(scores: np.ndarray, total: int) -> np.ndarray:
    """Scores at which the recall comes nearest to 0, 1/40, 2/40, ...

    Args:
        scores: Of all correct detections, (n,).
        total: Number of labels that count.
    """
    scores = np.sort(scores)[::-1]
    thresholds, recall = [], 0.0
    for index, score in enumerate(scores):
        here, last = (index + 1) / total, index == len(scores) - 1
        following = here if last else (index + 2) / total
        if not last and following - recall < recall - here:
            continue
        thresholds.append(score)
        recall += 1 / POSITIONS
    return np.array(thresholds)


def _counts(image: Image, min_overlap: float, thresholds: np.ndarray) -> np.ndarray:
    """Hits, false alarms and similarity of the hits at each of T thresholds, (3, T)."""
    active = image.scores[None] >= thresholds[:, None]  # (T, D)
    taken = np.zeros_like(active)
    rows = np.arange(len(thresholds))
    hits, similarity = np.zeros((2, len(thresholds)))
    counts = image.found == COUNTS
    for column, role in enumerate(image.truth):
        overlap = image.overlaps[:, column]
        candidates = active & ~taken & (overlap > min_overlap)
        if not candidates.any():
            continue
        real = candidates & counts
        best = np.where(real, overlap, -1).argmax(axis=1)
        chosen = np.where(real.any(axis=1), best, candidates.argmax(axis=1))
        matched = candidates.any(axis=1)
        taken[rows[matched], chosen[matched]] = True
        if role == COUNTS:
            correct = matched & counts[chosen]
            hits += correct
            similarity += correct * image.similarity[chosen, column]
    alarms = (active & ~taken & counts & ~image.stuff).sum(axis=1)
    return np.stack([hits, alarms, similarity])

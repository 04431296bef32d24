"""Asks whole detectors, of any kind, for the object that a crop was cut out for.

The detector detects, with its own decoding and suppression. Of what it finds near the object in the
image, the best score answers: that rule knows nothing of how a detector comes to its boxes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmcv import Config
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

from epropnp_det.datasets.annotation_check import sound_annotations
from epropnp_det.engine import build_test_loader, load_weights, predict_dataset

from .report import Column

LOST = 180.0
"""Yaw error in degrees of an object that nothing answers for."""


class Answers(NamedTuple):
    """Quality of the answers for ``n`` objects.

    Attributes:
        position: Distance of the positions over the distance of the object; infinite without an
            answer.
        depth: Distance along the optical axis over the true one; NaN without an answer.
        yaw: Angle between the yaws in degrees, 0 to 180; ``LOST`` without an answer.
        dimensions: Mean distance of length, height and width over the true ones; infinite without
            an answer.
    """

    position: np.ndarray
    depth: np.ndarray
    yaw: np.ndarray
    dimensions: np.ndarray


def is_right(answers: Answers) -> np.ndarray:
    """Which answers lie within 15 degrees and within 10 % of the distance, (n,)."""
    return (answers.yaw < 15) & (answers.position < 0.1)


def _lost(answers: Answers) -> np.ndarray:
    return np.isinf(answers.position)


def _share(holds: Callable[[Answers], np.ndarray]) -> Callable[[Answers], float]:
    return lambda answers: 100 * float(holds(answers).mean())


COLUMNS = (
    Column('yaw error, median, degrees', lambda a: float(np.median(a.yaw)), '{:.1f}'),
    Column('yaw within 15 degrees, %', _share(lambda a: a.yaw < 15), '{:.0f}', True),
    Column('front taken for back, %', _share(lambda a: (a.yaw > 165) & ~_lost(a)), '{:.0f}'),
    Column('position error, median, %', lambda a: 100 * float(np.median(a.position)), '{:.1f}'),
    Column('position within 10 %, %', _share(lambda a: a.position < 0.1), '{:.0f}', True),
    Column('yaw and position right, %', _share(is_right), '{:.0f}', True),
    Column('dimensions, median, %', lambda a: 100 * float(np.median(a.dimensions)), '{:.1f}'),
    Column('depth over the true one', lambda a: float(np.nanmedian(a.depth)), '{:.3f}', None),
    Column('answered, %', _share(lambda a: ~_lost(a)), '{:.0f}', True),
)


def ask(cfg: Config, checkpoint: Path, part: str) -> Answers:
    """Detects in the crops of a part of the data and judges what answers for their objects.

    Args:
        cfg: Config of the detector.
        checkpoint: Its weights.
        part: ``val`` or ``test``, whose annotation file is one of ``make_crops``.
    """
    model = build_model(cfg.model)
    load_weights(model, str(checkpoint))
    dataset = build_dataset(cfg.data[part])
    results = predict_dataset(model, build_test_loader(dataset, cfg))
    crops = sound_annotations(cfg.data[part].ann_file)
    return judge(targets(crops, [result['img_bbox'] for result in results]))


def judge(asked: Iterable[tuple[dict, dict, dict]]) -> Answers:
    """Judges the answers of one detector.

    Args:
        asked: Of each object the record of its image, its annotation, and what was detected in the
            image, ``boxes_3d`` and ``scores_3d``.
    """
    rows = []
    for image, annotation, detections in asked:
        best = answer(image, annotation, detections)
        truth = np.array(annotation['bbox_cam3d'][:7])
        rows.append((math.inf, math.nan, LOST, math.inf) if best is None else errors(best, truth))
    return Answers(*np.array(rows).reshape(-1, len(Answers._fields)).T)


def targets(crops: dict, found: Sequence[dict]) -> list[tuple[dict, dict, dict]]:
    """What :func:`judge` asks of crops: of each the object that it was cut out for.

    Args:
        crops: Content of an annotation file of ``make_crops``.
        found: What was detected in each of its images.
    """
    boxes = {image['id']: image['target'] for image in crops['images']}
    wanted = {
        annotation['image_id']: annotation
        for annotation in crops['annotations']
        if annotation['bbox_cam3d'] == boxes[annotation['image_id']]
    }
    return [(image, wanted[image['id']], one) for image, one in zip(crops['images'], found)]


def answer(image: dict, annotation: dict, detections: dict) -> np.ndarray | None:
    """The best of the detections whose centres appear near that of the object.

    Near is half of the shorter side of the 2D box.

    Args:
        image: Record of the image.
        annotation: Of the object.
        detections: ``boxes_3d`` and ``scores_3d``.

    Returns:
        ``[x, y, z, l, h, w, yaw]`` about the middle of the box, or None.
    """
    boxes = detections['boxes_3d']
    centers = boxes.gravity_center.numpy()
    values = np.concatenate([centers, boxes.tensor[:, 3:7].numpy()], axis=1)
    points = np.concatenate([[annotation['bbox_cam3d'][:3]], centers])
    points = points @ np.array(image['cam_intrinsic']).T
    pixels = points[:, :2] / points[:, 2:]
    gap = np.linalg.norm(pixels[1:] - pixels[0], axis=1)
    near = np.flatnonzero((gap <= min(annotation['bbox'][2:]) / 2) & (centers[:, 2] > 0))
    if len(near) == 0:
        return None
    return values[near[np.argmax(detections['scores_3d'].numpy()[near])]]


def errors(box: np.ndarray, truth: np.ndarray) -> tuple[float, float, float, float]:
    """Position, depth, yaw and dimensions of a box against the truth, as ``Answers`` has them."""
    position = np.linalg.norm(box[:3] - truth[:3]) / np.linalg.norm(truth[:3])
    turn = math.remainder(float(box[6] - truth[6]), 2 * math.pi)
    dimensions = np.abs(box[3:6] / truth[3:6] - 1).mean()
    return float(position), float(box[2] / truth[2]), math.degrees(abs(turn)), float(dimensions)

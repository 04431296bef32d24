"""Asks whole detectors, of any kind, for the object that a crop was cut out for.

The detector detects, with its own decoding and suppression. Of what it finds near the object in the
image, the best score answers: that rule knows nothing of how a detector comes to its boxes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmcv import Config
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

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
    crops = json.loads(Path(cfg.data[part].ann_file).read_text(encoding='utf-8'))
    return judge(crops, [result['img_bbox'] for result in results])


def judge(crops: dict, found: Sequence[dict]) -> Answers:
    """Judges the answers of one detector.

    Args:
        crops: Content of an annotation file of ``make_crops``.
        found: ``boxes_3d`` and ``scores_3d`` of each of its images.
    """
    bboxes = target_bboxes(crops)
    rows = []
    for image, detections in zip(crops['images'], found):
        truth = np.array(image['target'])
        best = answer(image, bboxes[image['id']], detections)
        rows.append((math.inf, math.nan, LOST, math.inf) if best is None else errors(best, truth))
    return Answers(*np.array(rows).reshape(-1, len(Answers._fields)).T)


def target_bboxes(crops: dict) -> dict[str, Sequence[float]]:
    """2D box ``x y width height`` of the object of each crop, by the id of the crop."""
    targets = {image['id']: image['target'] for image in crops['images']}
    return {
        annotation['image_id']: annotation['bbox']
        for annotation in crops['annotations']
        if annotation['bbox_cam3d'] == targets[annotation['image_id']]
    }


def answer(image: dict, bbox: Sequence[float], detections: dict) -> np.ndarray | None:
    """The best of the detections whose centres appear near that of the object.

    Near is half of the shorter side of the 2D box.

    Args:
        image: Record of the crop.
        bbox: 2D box of the object, ``x y width height``.
        detections: ``boxes_3d`` and ``scores_3d``.

    Returns:
        ``[x, y, z, l, h, w, yaw]`` about the middle of the box, or None.
    """
    boxes = detections['boxes_3d']
    centers = boxes.gravity_center.numpy()
    values = np.concatenate([centers, boxes.tensor[:, 3:7].numpy()], axis=1)
    points = np.concatenate([[image['target'][:3]], centers]) @ np.array(image['cam_intrinsic']).T
    pixels = points[:, :2] / points[:, 2:]
    gap = np.linalg.norm(pixels[1:] - pixels[0], axis=1)
    near = np.flatnonzero((gap <= min(bbox[2:]) / 2) & (centers[:, 2] > 0))
    if len(near) == 0:
        return None
    return values[near[np.argmax(detections['scores_3d'].numpy()[near])]]


def errors(box: np.ndarray, truth: np.ndarray) -> tuple[float, float, float, float]:
    """Position, depth, yaw and dimensions of a box against the truth, as ``Answers`` has them."""
    position = np.linalg.norm(box[:3] - truth[:3]) / np.linalg.norm(truth[:3])
    turn = math.remainder(float(box[6] - truth[6]), 2 * math.pi)
    dimensions = np.abs(box[3:6] / truth[3:6] - 1).mean()
    return float(position), float(box[2] / truth[2]), math.degrees(abs(turn)), float(dimensions)

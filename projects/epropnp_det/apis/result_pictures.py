"""Draws a result for mmdet3d's own test loop, which asks the detector or the data set for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..boxes.instances import boxes3d_from_instance
from ..engine.result_pictures import RESULT_PICTURES
from ..visualization import CameraView, Objects, draw_side_by_side
from .results import to_objects


@RESULT_PICTURES.register_module('side_by_side')
def draw_result(
    image: np.ndarray,
    cam2img: Any,
    result: Mapping,
    score_thr: float,
    class_names: Sequence[str] | None,
    truth: Mapping | None,
) -> np.ndarray:
    """Draws boxes over their image, and to the right of it from above.

    Args:
        image: BGR uint8, (H, W, 3).
        cam2img: Intrinsics, (3, 3) or (4, 4).
        result: The detector's result of the image.
        score_thr: Detections below are not drawn.
        class_names: Names of the classes.
        truth: Annotations (``gt_bboxes_3d``, ``gt_labels_3d``), drawn in green.

    Returns:
        BGR uint8, (H, W + H, 3), with names of classes a strip higher.
    """
    intrinsics = np.asarray(cam2img, dtype=np.float64)[:3, :3]
    real = None if truth is None else _annotated(truth)
    view = CameraView(image, intrinsics, to_objects(result, score_thr), ground_truth=real)
    return draw_side_by_side(view, class_names)


def _annotated(truth: Mapping) -> Objects:
    boxes = boxes3d_from_instance(truth['gt_bboxes_3d']).numpy().astype(np.float64)
    return Objects(boxes, np.asarray(truth['gt_labels_3d']))

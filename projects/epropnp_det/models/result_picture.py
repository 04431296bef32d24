"""Results of one image as a picture, where mmdet3d's own code asks the detector or data for it.

mmdet3d's pictures need ``np.int``, which numpy 1.24 dropped; these need nothing but OpenCV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..visualization import CameraView, Objects, draw_side_by_side
from ..boxes.instances import boxes3d_from_instance


def result_picture(
    image: np.ndarray,
    cam2img: Any,
    result: Mapping,
    score_thr: float = 0.0,
    class_names: Sequence[str] | None = None,
    truth: Mapping | None = None,
) -> np.ndarray:
    """Draws boxes over their image, and to the right of it from above.

    Args:
        image: BGR uint8, (H, W, 3).
        cam2img: Intrinsics, (3, 3) or (4, 4).
        result: Detector's result of the image: ``boxes_3d``, ``scores_3d``, ``labels_3d``.
        score_thr: Detections below are not drawn.
        class_names: Names of the classes.
        truth: Annotations, as mmdet3d's data sets give them: ``gt_bboxes_3d``, ``gt_labels_3d``.

    Returns:
        BGR uint8, (H, W + H, 3).
    """
    scores = np.asarray(result['scores_3d'], dtype=np.float64)
    found = _objects(result['boxes_3d'], result['labels_3d'])._replace(scores=scores)
    real = None if truth is None else _objects(truth['gt_bboxes_3d'], truth['gt_labels_3d'])
    intrinsics = np.asarray(cam2img, dtype=np.float64)[:3, :3]
    view = CameraView(image, intrinsics, found.above(score_thr), ground_truth=real)
    return draw_side_by_side(view, class_names)


def _objects(boxes: Any, labels: Any) -> Objects:
    plain = boxes3d_from_instance(boxes).detach().cpu().numpy().astype(np.float64)
    return Objects(plain, np.asarray(labels))

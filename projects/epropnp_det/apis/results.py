"""From a detector's raw results, as evaluation stores them, to plain arrays."""

from __future__ import annotations

import numpy as np

from ..boxes.instances import boxes3d_from_instance
from ..visualization import Objects


def to_objects(result: dict, score_thr: float = 0.0) -> Objects:
    """Detections of one image as arrays, in the order of the result.

    Args:
        result: One entry of the detector's results.
        score_thr: Detections below are left out.
    """
    found = result.get('img_bbox', result)
    objects = Objects(
        boxes=boxes3d_from_instance(found['boxes_3d']).detach().cpu().numpy().astype(np.float64),
        labels=found['labels_3d'].detach().cpu().numpy(),
        scores=found['scores_3d'].detach().cpu().numpy().astype(np.float64),
    )
    return objects.above(score_thr)

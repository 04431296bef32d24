"""From a detector's results to plain values: for pictures, json files and reports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..datasets.submission import ATTRIBUTES
from ..models.box_conversion import boxes3d_from_instance, velocities_from_instance
from ..visualization import Objects

CONVENTIONS = {
    'frame': 'camera: x right, y down, z forward, metres',
    'center': 'geometric centre of the box',
    'dimensions': 'length, height, width in metres',
    'yaw': 'radians about +y; 0 looks along +x, -pi/2 away from the camera',
    'velocity': 'x and z in m/s',
}


def to_objects(result: dict, score_thr: float = 0.0) -> Objects:
    """Detections of one image as arrays.

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


def to_records(
    result: dict, class_names: Sequence[str], score_thr: float = 0.0
) -> list[dict[str, object]]:
    """Detections of one image as json records, best first; see ``CONVENTIONS``.

    Args:
        result: One entry of the detector's results.
        class_names: Names of the classes.
        score_thr: Detections below are left out.
    """
    found = result.get('img_bbox', result)
    objects = to_objects(result)
    velocities = velocities_from_instance(found['boxes_3d']).cpu().numpy()
    attributes = found.get('attrs_3d')
    records = []
    for i in np.argsort(-objects.scores, kind='stable'):
        if objects.scores[i] < score_thr:
            break
        label = int(objects.labels[i])
        record = {
            'class': class_names[label] if label < len(class_names) else str(label),
            'score': round(float(objects.scores[i]), 5),
            'center': _rounded(objects.boxes[i, 3:6]),
            'dimensions': _rounded(objects.boxes[i, :3]),
            'yaw': round(float(objects.boxes[i, 6]), 4),
        }
        if np.isfinite(velocities[i]).all():
            record['velocity'] = _rounded(velocities[i])
        if attributes is not None:
            record['attribute'] = _attribute(int(attributes[i]))
        records.append(record)
    return records


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


def _attribute(index: int) -> str:
    return ATTRIBUTES[index] if 0 <= index < len(ATTRIBUTES) else str(index)

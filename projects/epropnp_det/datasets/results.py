"""Checks of what a detector returned, before it is written or scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mmdet3d.core.bbox import CameraInstance3DBoxes

NEEDED = ('boxes_3d', 'scores_3d', 'labels_3d')
OPTIONAL = ('attrs_3d', 'attr_scores_3d')
NUM_ATTRIBUTES = 8


def detections_by_name(
    results: Sequence[Mapping], num_images: int, num_classes: int, name_of: Callable[[int], str]
) -> dict[str, list[Mapping]]:
    """Detections of each image by result name, ``img_bbox`` with the detectors here.

    Args:
        results: One entry per image: 3D detections, or a dict of such by name.
        num_images: Number of images of the data set.
        num_classes: Number of its classes.
        name_of: Name of an image for messages.

    Raises:
        ValueError: If the results are not 3D detections of these images and classes.
    """
    if not isinstance(results, Sequence) or isinstance(results, str):
        raise ValueError(f'results must be a list, one per image, got {type(results).__name__}')
    if len(results) != num_images:
        raise ValueError(
            f'{len(results)} results for {num_images} images; were they made with another '
            'annotation file, or on a part of it?'
        )
    if any(not isinstance(result, Mapping) for result in results):
        raise ValueError('results are not dicts of 3D detections; are they of a 2D detector?')
    if all('boxes_3d' in result for result in results):
        results = [{'img_bbox': result} for result in results]
    names = [name for name in (results[0] if results else ()) if '2d' not in name]
    named = {name: [result.get(name) for result in results] for name in names}
    for detections in named.values():
        for index, detection in enumerate(detections):
            problem = _problem(detection, num_classes)
            if problem:
                raise ValueError(f'result {index} ({name_of(index)}) {problem}')
    return named


def _problem(detection: Mapping | None, num_classes: int) -> str | None:
    if not isinstance(detection, Mapping) or any(key not in detection for key in NEEDED):
        return f'lacks one of {NEEDED}; is it of another kind of model?'
    boxes = detection['boxes_3d']
    if not isinstance(boxes, CameraInstance3DBoxes):
        return f'has {type(boxes).__name__}, not CameraInstance3DBoxes'
    arrays = {key: _array(detection[key]) for key in (*NEEDED[1:], *OPTIONAL) if key in detection}
    lengths = {len(array) if array.ndim else -1 for array in arrays.values()}
    if lengths != {len(boxes)}:
        return f'has different numbers of boxes, {", ".join(arrays)}'
    for key, array in arrays.items():
        if array.ndim != 1 + (key == 'attr_scores_3d') or array.dtype == object:
            return f'has {key} that are not numbers, one per box: shape {array.shape}'
    if 'attr_scores_3d' in arrays and arrays['attr_scores_3d'].shape[1] < NUM_ATTRIBUTES:
        return f'has attr_scores_3d of fewer than the {NUM_ATTRIBUTES} attributes of nuScenes'
    labels = arrays['labels_3d']
    if not ((labels >= 0) & (labels < num_classes)).all():
        return f'has labels beyond the {num_classes} classes of the data set'
    return None


def _array(value: Any) -> np.ndarray:
    """Numbers as they are, anything else as objects."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return np.asarray(value, dtype=object)

"""Checks of what a detector returned, before it is written or scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mmdet3d.core.bbox import CameraInstance3DBoxes

NEEDED = ('boxes_3d', 'scores_3d', 'labels_3d')


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
    boxes, labels = detection['boxes_3d'], detection['labels_3d']
    if not isinstance(boxes, CameraInstance3DBoxes):
        return f'has {type(boxes).__name__}, not CameraInstance3DBoxes'
    if {len(detection['scores_3d']), len(labels)} != {len(boxes)}:
        return 'has different numbers of boxes, scores and labels'
    if len(boxes) and not 0 <= int(min(labels)) <= int(max(labels)) < num_classes:
        return f'has labels beyond the {num_classes} classes of the data set'
    return None

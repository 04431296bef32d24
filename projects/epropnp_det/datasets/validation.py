"""Looks for what is likely wrong in an annotation file that can be read: units, frames, images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .annotation_check import by_image, camera_suspicions, sound_annotations
from .annotations import NO_ATTRIBUTE
from .completion import OPTIONAL, complete_annotations
from .pipelines import LoadImageMono3D


class AnnotatedImage(NamedTuple):
    """An image with what the file says of it.

    Attributes:
        image: Its record.
        annotations: Its annotations, with the fields that the file lacks filled in.
        given: The same as the file has them.
    """

    image: dict
    annotations: list[dict]
    given: list[dict]


class Finding(NamedTuple):
    """A suspicion.

    Attributes:
        kind: What is suspicious, and what the cause may be.
        where: Each image or annotation of this kind.
    """

    kind: str
    where: list[str]


class ClassStatistics(NamedTuple):
    """Objects of one class; the dimensions are what a config's ``dim_coder`` wants.

    Attributes:
        name: Class name.
        total: Number of objects that an image shows.
        means: Mean length, height and width in metres.
        stds: Their standard deviations.
        depth: Least, median and largest depth in metres.
    """

    name: str
    total: int
    means: tuple[float, ...]
    stds: tuple[float, ...]
    depth: tuple[float, ...]


def read_annotated_images(
    path: str | Path, classes: Sequence[str] | None = None
) -> tuple[list[AnnotatedImage], list[str]]:
    """Reads and checks an annotation file.

    Args:
        path: The file, possibly of the short form of ``docs/data.md``.
        classes: Class names; None takes those of the file in the order of their ids.

    Returns:
        Images with completed annotations; class names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not sound.
    """
    content = sound_annotations(path, classes)
    category_names = {category['id']: category['name'] for category in content['categories']}
    names = list(classes or (category_names[key] for key in sorted(category_names, key=_order)))
    groups = by_image(content)
    images = []
    for image in content['images']:
        given = [
            {**annotation, 'category_name': category_names[annotation['category_id']]}
            for annotation in groups[image['id']]
        ]
        images.append(AnnotatedImage(image, complete_annotations(image, given), given))
    return images, names


def _order(category_id: int | str) -> tuple:
    """Numbers by value, then texts; json may mix them."""
    return isinstance(category_id, str), category_id


def findings(images: Sequence[AnnotatedImage], img_prefix: str | Path | None) -> list[Finding]:
    """Suspicions, each with all its cases.

    Args:
        images: What ``read_annotated_images`` gave.
        img_prefix: Folder of the image files, which are then opened; None leaves them alone.
    """
    cases: dict[str, list[str]] = {}
    for entry in images:
        suspicions = list(_camera_suspicions(entry.image))
        for given, annotation in zip(entry.given, entry.annotations):
            kinds = _box_suspicions(entry.image, given, annotation)
            suspicions += [(kind, f'annotation {annotation["id"]}') for kind in kinds]
        if img_prefix is not None:
            suspicions += _file_suspicions(entry.image, img_prefix)
        for kind, where in suspicions:
            cases.setdefault(kind, []).append(where)
    cases.update(_ground_suspicions(images))
    return [Finding(kind, where) for kind, where in cases.items()]


def _camera_suspicions(image: Mapping) -> Iterator[tuple[str, str]]:
    for suspicion in camera_suspicions(image):
        yield suspicion, f'image {image["id"]}'


def _box_suspicions(image: Mapping, given: Mapping, annotation: Mapping) -> Iterator[str]:
    x, y, z, length, height, width, yaw = annotation['bbox_cam3d']
    if z <= 0:
        yield 'centre behind the camera: is z the depth?'
    elif annotation['area'] <= 0:
        yield 'the image does not show the box: camera frame, in metres?'
    if max(length, height, width) > 40 or min(length, height, width) < 0.02:
        yield 'larger than 40 m or smaller than 2 cm: dimensions in metres?'
    if abs(yaw) > 2 * math.pi:
        yield 'yaw beyond 2 pi: radians?'
    if z > 1 and any(key in given for key in OPTIONAL):
        bare = {key: value for key, value in given.items() if key not in OPTIONAL}
        expected = complete_annotations(image, [bare])[0]
        shift = np.subtract(annotation['center2d'][:2], expected['center2d'][:2])
        if np.abs(shift).max() > 1:
            yield 'center2d is not the projection of the centre: other intrinsics or frame?'
        if z > 4 and overlap(annotation['bbox'], expected['bbox']) < 0.5:
            yield 'bbox is not around the projected box: order l, h, w, or yaw?'


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes ``x y width height``."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(np.add(first[:2], first[2:]), np.add(second[:2], second[2:]))
    shared = float(np.prod(np.maximum(high - low, 0)))
    return shared / max(first[2] * first[3] + second[2] * second[3] - shared, 1e-9)


def _file_suspicions(image: Mapping, img_prefix: str | Path) -> list[tuple[str, str]]:
    try:
        info = {**image, 'filename': image['file_name']}
        LoadImageMono3D()({'img_info': info, 'img_prefix': str(img_prefix)})
    except (FileNotFoundError, ValueError) as error:
        return [('image file', str(error))]
    return []


def _ground_suspicions(images: Sequence[AnnotatedImage]) -> dict[str, list[str]]:
    """Objects stand on the ground, below a camera that looks ahead."""
    boxes = [a['bbox_cam3d'] for entry in images for a in entry.annotations]
    if len(boxes) < 5:
        return {}
    bottoms = np.array([box[1] + box[4] / 2 for box in boxes])
    if np.median(bottoms) > 0:
        return {}
    where = f'median of y + h/2 is {np.median(bottoms):.2f} m'
    return {'most objects stand above the camera: does y point down?': [where]}


def statistics(images: Sequence[AnnotatedImage], classes: Sequence[str]) -> list[ClassStatistics]:
    """Numbers, dimensions and depths of the objects that the images show, by class."""
    result = []
    for name in classes:
        shown = (a for e in images for a in e.annotations if a['area'] > 0)
        boxes = [a['bbox_cam3d'] for a in shown if a['category_name'] == name]
        array = np.array(boxes, dtype=np.float64).reshape(-1, 7)
        if not len(array):
            empty = (math.nan,) * 3
            result.append(ClassStatistics(name, 0, empty, empty, empty))
            continue
        depth = (array[:, 2].min(), np.median(array[:, 2]), array[:, 2].max())
        dims = array[:, 3:6]
        numbers = (dims.mean(axis=0), dims.std(axis=0), depth)
        result.append(ClassStatistics(name, len(array), *(tuple(map(float, n)) for n in numbers)))
    return result


def stock_content(images: Sequence[AnnotatedImage], classes: Sequence[str]) -> dict:
    """The file with every field that mmdet3d's own data set reads."""
    defaults = {
        'iscrowd': 0,
        'segmentation': [],
        'velo_cam3d': [math.nan, math.nan],
        'attribute_id': NO_ATTRIBUTE,
        'attribute_name': 'None',
    }
    records = [{'token': str(e.image['id']), **e.image} for e in images]
    annotations = [
        {**defaults, 'file_name': e.image['file_name'], **a}
        for e in images
        for a in e.annotations
        if a['area'] > 0 and a['category_name'] in classes
    ]
    for annotation in annotations:
        annotation['category_id'] = list(classes).index(annotation['category_name'])
    categories = [{'id': label, 'name': name} for label, name in enumerate(classes)]
    return {'images': records, 'annotations': annotations, 'categories': categories}

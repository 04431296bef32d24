"""Reads a ``*_mono3d.coco.json`` and names the first thing in it that nothing could mend later."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..inputs import examine_intrinsics, read_text
from ..inputs.paths import forward_slashes

PARTS = ('images', 'annotations', 'categories')
PATHS = ('file_name', 'lidar_path')
# Fields that need not be known, and what stands in their place where they are not.
UNKNOWN: dict[str, Callable[[Any], bool]] = {
    'velo_cam3d': lambda value: value in (None, -1, [], [None, None]),
    'attribute_id': lambda value: value in (None, -1),
}


def read_annotation_file(path: str | Path) -> dict:
    r"""Parses an annotation file; paths get ``/`` for ``\``, unknown values are left out.

    mmdet3d's converter of KITTI writes -1 for unknown velocities and attributes, others ``null``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no json object, for instance because it was cut short.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no annotation file {path}; tools/prepare_nuscenes.py makes it')
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise ValueError(f'{path} is not json, or was cut short ({error}); make it anew') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds a json {type(content).__name__}, not a *_mono3d.coco.json')
    for image in _records(content.get('images')):
        for key in PATHS:
            if isinstance(image.get(key), str):
                image[key] = forward_slashes(image[key])
    for annotation in _records(content.get('annotations')):
        for key, unknown in UNKNOWN.items():
            if key in annotation and unknown(annotation[key]):
                del annotation[key]
    return content


def _records(records: Any) -> Iterator[dict]:
    """What of a part of the file is records, before it is checked."""
    return (r for r in records if isinstance(r, dict)) if isinstance(records, list) else iter(())


def check_annotation_file(
    content: Mapping, path: str, classes: Sequence[str] | None = None
) -> None:
    """Checks the whole file, so that what reads it later need not.

    Args:
        content: The parsed file.
        path: Its name, for messages.
        classes: Class names that the data set wants; None wants none in particular.

    Raises:
        ValueError: If parts or fields are missing or of another kind than ``docs/data.md`` says,
            ids repeat, annotations name no image or no category, or a box is not finite or has no
            extent. The message names the file, the record and the field.
    """
    missing = [key for key in PARTS if key not in content]
    if missing:
        raise ValueError(
            f'{path} lacks {missing}; it is not a *_mono3d.coco.json, which '
            "tools/prepare_nuscenes.py or mmdet3d's create_data.py write"
        )
    for part in PARTS:
        _check_records(content[part], f'{path}: {part}')
    category_ids = _unique(content['categories'], path, 'category', 'id')
    names = _unique(content['categories'], path, 'category', 'name')
    if not all(map(_is_text, names)):
        raise ValueError(f'{path}: category names must be texts, got {names}')
    unknown = [name for name in classes or () if name not in names]
    if unknown:
        raise ValueError(f'{path} has no categories {unknown}; it has {sorted(names)}')
    for image in content['images']:
        problem = _image_problem(image)
        if problem:
            raise ValueError(f'{path}: image {image.get("id", "without id")} {problem}')
    image_ids = _unique(content['images'], path, 'image', 'id')
    _unique(content['annotations'], path, 'annotation', 'id')
    for annotation in content['annotations']:
        problem = _annotation_problem(annotation, image_ids, category_ids)
        if problem:
            raise ValueError(f'{path}: annotation {annotation["id"]} {problem}')
    if not isinstance(content.get('info') or {}, dict):
        raise ValueError(f'{path}: info must be an object, got {content["info"]!r:.60}')


def sound_annotations(
    path: str | Path, classes: Sequence[str] | None = None, annotated: bool = False
) -> dict:
    """Content of an annotation file that is checked, for those who build no data set of it.

    Args:
        path: The file.
        classes: As for :func:`check_annotation_file`.
        annotated: Whether a file without any annotation, as that of a test split, is refused.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not sound, or has no annotations though it should.
    """
    content = read_annotation_file(path)
    check_annotation_file(content, str(path), classes)
    if annotated and not content['annotations']:
        raise ValueError(
            f'{path} has no annotations ({len(content["images"])} images); give the file of a '
            'split whose truth is known, such as train or val'
        )
    return content


def by_image(content: Mapping) -> dict[Any, list[dict]]:
    """Annotations of each image of a sound file, by the image's id, both in the file's order."""
    groups: dict[Any, list[dict]] = {image['id']: [] for image in content['images']}
    for annotation in content['annotations']:
        groups[annotation['image_id']].append(annotation)
    return groups


def camera_suspicions(image: Mapping) -> tuple[str, ...]:
    """What speaks against the intrinsics of a checked image record, see ``examine_intrinsics``."""
    rows = tuple(tuple(row[:3]) for row in image['cam_intrinsic'][:3])
    return _suspicions(rows, (image['width'], image['height']))


@functools.lru_cache(maxsize=1024)
def _suspicions(rows: tuple, size: tuple[int, int]) -> tuple[str, ...]:
    errors, doubts = examine_intrinsics(np.array(rows, dtype=np.float64), size)
    return errors + doubts


# ---- kinds of values


class Kind(NamedTuple):
    """What a field must be.

    Attributes:
        words: In words.
        holds: Whether a value is.
    """

    words: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ''


def _is_name(value: Any) -> bool:
    return isinstance(value, int) or _is_text(value)


def _are_numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(_is_number, value))


def _is_velocity(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, (int, float)) and not math.isinf(v) for v in value)
    )


NUMBER = Kind('a number', _is_number)
MAYBE_NUMBER = Kind('a number', lambda value: value is None or _is_number(value))
INDEX = Kind('an index', lambda value: isinstance(value, int) and value >= 0)
TEXT = Kind('a text', _is_text)
MAYBE_TEXT = Kind('a text', lambda value: value is None or _is_text(value))
NAME = Kind('a text or an integer', _is_name)
POINT = Kind('three finite numbers', lambda value: _are_numbers(value, 3))
QUATERNION = Kind(
    'a quaternion w x y z', lambda value: _are_numbers(value, 4) and any(map(abs, value))
)
RECTANGLE = Kind(
    'x y width height, finite and not negative in size',
    lambda value: _are_numbers(value, 4) and min(value[2:]) >= 0,
)
VELOCITY = Kind('two numbers, NaN where unknown', _is_velocity)
TRANSFORM = Kind(
    '4 x 4',
    lambda value: (
        isinstance(value, list) and len(value) == 4 and all(_are_numbers(row, 4) for row in value)
    ),
)

NEEDED_OF_IMAGE = ('id', 'file_name', 'width', 'height', 'cam_intrinsic')
IMAGE = {
    'id': NAME,
    'file_name': TEXT,
    'width': NUMBER,
    'height': NUMBER,
    'token': NAME,
    'camera': TEXT,
    'lidar_path': MAYBE_TEXT,
    'lidar2cam': TRANSFORM,
    **{f'{pose}_rotation': QUATERNION for pose in ('cam2ego', 'ego2global', 'cam_ego2global')},
    **{f'{pose}_translation': POINT for pose in ('cam2ego', 'ego2global', 'cam_ego2global')},
}
ANNOTATION = {
    'bbox': RECTANGLE,
    'area': NUMBER,
    'center2d': POINT,
    'velo_cam3d': VELOCITY,
    'attribute_id': INDEX,
    'visibility': MAYBE_NUMBER,
    'truncation': MAYBE_NUMBER,
    'iscrowd': MAYBE_NUMBER,
    'ignore': MAYBE_NUMBER,
}


def _kind_problem(record: Mapping, kinds: Mapping[str, Kind]) -> str | None:
    for key, kind in kinds.items():
        if key in record and not kind.holds(record[key]):
            return f'has {key} {record[key]!r:.80}, which is not {kind.words}'
    return None


# ---- records


def _check_records(records: Any, where: str) -> None:
    if not isinstance(records, list):
        raise ValueError(f'{where} must be a list, got {records!r:.60}')
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(f'{where}[{number}] must be an object, got {record!r:.60}')


def _unique(records: Sequence[Mapping], path: str, part: str, key: str) -> set:
    values: set = set()
    for record in records:
        value = record.get(key)
        if not _is_name(value) or value in values:
            raise ValueError(f'{path}: {part} {key} {value!r:.60} is missing or not unique')
        values.add(value)
    return values


def _image_problem(image: Mapping) -> str | None:
    absent = [key for key in NEEDED_OF_IMAGE if key not in image]
    if absent:
        return f'lacks {absent}'
    problem = _kind_problem(image, IMAGE)
    if problem:
        return problem
    if min(image['width'], image['height']) <= 0:
        return f'has the size {image["width"]} x {image["height"]}'
    return _intrinsics_problem(image['cam_intrinsic'])


def _intrinsics_problem(rows: Any) -> str | None:
    """Also accepts the 3 x 4 and 4 x 4 matrices of other tools, of which 3 x 3 counts."""
    lists = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    if not lists or len(rows) < 3 or any(len(row) < 3 for row in rows):
        return f'has intrinsics that are not 3 x 3: {rows!r:.80}'
    sound = all(_is_number(value) for row in rows for value in row)
    if not sound or rows[0][0] <= 0 or rows[1][1] <= 0 or rows[2][:3] != [0, 0, 1]:
        return f'has intrinsics without positive focal lengths and last row 0 0 1: {rows!r:.120}'
    return None


def _annotation_problem(annotation: Mapping, image_ids: set, category_ids: set) -> str | None:
    image_id, category_id = annotation.get('image_id'), annotation.get('category_id')
    if not _is_name(image_id) or image_id not in image_ids:
        return f'belongs to image {image_id!r:.60}, which is not in the file'
    if not _is_name(category_id) or category_id not in category_ids:
        return f'has category {category_id!r:.60}, which is not in the file'
    if 'bbox_cam3d' not in annotation:
        return 'lacks bbox_cam3d; was the file written with mono3d=True?'
    box = annotation['bbox_cam3d']
    if not _are_numbers(box, 7):
        return f'has a box that is not finite or not seven numbers: {box!r:.120}'
    if min(box[3:6]) <= 0:
        return f'has a box without extent: dimensions {box[3:6]}'
    return _kind_problem(annotation, ANNOTATION)

"""Checks a submission file as the nuScenes server does, and names the first offending entry."""

from __future__ import annotations

import json
import math
import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nuscenes.eval.common.loaders import load_prediction
from nuscenes.eval.detection.data_classes import DetectionBox

from .submission import ATTRIBUTES, CLASS_ATTRIBUTES

MAX_BOXES = 500
META = ('use_camera', 'use_lidar', 'use_radar', 'use_map', 'use_external')
VECTORS = {'translation': 3, 'size': 3, 'rotation': 4, 'velocity': 2}
TEXTS = ('sample_token', 'detection_name', 'attribute_name')


class SubmissionError(ValueError):
    """A submission that the server would refuse, or score other than meant."""


def check_submission(path: str | Path, sample_tokens: Iterable[str] | None = None) -> dict:
    """Checks a submission file.

    Args:
        path: ``.json``, or the ``.zip`` that goes to the server.
        sample_tokens: All samples of the split; None skips that part of the check.

    Returns:
        The submission.

    Raises:
        FileNotFoundError: If there is no such file.
        SubmissionError: With the first thing that is wrong, by sample and number of the box.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no submission {path}; tools/make_submission.py writes one')
    text = _unzipped(path) if path.suffix == '.zip' else path.read_bytes()
    content = _parsed(text, path)
    _check_content(content, None if sample_tokens is None else list(sample_tokens))
    _check_with_devkit(text)
    return content


def zip_submission(path: str | Path) -> Path:
    """Packs a submission for the server: one json file at the top level.

    Returns:
        The archive beside the file, complete or absent.
    """
    path = Path(path)
    target = path.with_suffix('.zip')
    temporary = target.with_name(f'.{target.name}.{os.getpid()}')
    try:
        with zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _unzipped(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1 or '/' in names[0] or not names[0].endswith('.json'):
                raise SubmissionError(f'{path} must hold one .json at its top level, not {names}')
            return archive.read(names[0])
    except zipfile.BadZipFile as error:
        raise SubmissionError(f'{path} is not a sound zip file: {error}') from error


def _parsed(text: bytes, path: Path) -> Any:
    def refuse(constant: str) -> None:
        raise SubmissionError(f'{path} holds {constant}, which is no json number')

    def unique(pairs: list[tuple[str, Any]]) -> dict:
        result = dict(pairs)
        if len(result) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise SubmissionError(f'{path} names {twice!r} twice')
        return result

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SubmissionError(f'{path} is not json, or was cut short: {error}') from error


def _check_content(content: Any, sample_tokens: list[str] | None) -> None:
    if not isinstance(content, dict) or set(content) != {'meta', 'results'}:
        raise SubmissionError('a submission has the two parts meta and results, and no other')
    meta, results = content['meta'], content['results']
    if not isinstance(meta, dict) or any(not isinstance(meta.get(key), bool) for key in META):
        raise SubmissionError(f'meta must say true or false for each of {META}, got {meta}')
    if not isinstance(results, dict):
        raise SubmissionError('results must map sample tokens to lists of boxes')
    if sample_tokens is not None:
        _check_tokens(results, sample_tokens)
    for token, boxes in results.items():
        if not isinstance(boxes, list):
            raise SubmissionError(f'sample {token}: a list of boxes is needed')
        if len(boxes) > MAX_BOXES:
            raise SubmissionError(f'sample {token}: {len(boxes)} boxes, at most {MAX_BOXES} count')
        for number, box in enumerate(boxes):
            problem = _box_problem(box, token)
            if problem:
                raise SubmissionError(f'sample {token}, box {number}: {problem}')


def _check_tokens(results: Mapping, sample_tokens: list[str]) -> None:
    absent = [token for token in sample_tokens if token not in results]
    if absent:
        raise SubmissionError(
            f'{len(absent)} of {len(sample_tokens)} samples of the split are absent, the first is '
            f'{absent[0]}; a sample without detections needs an empty list'
        )
    wanted = set(sample_tokens)
    foreign = [token for token in results if token not in wanted]
    if foreign:
        raise SubmissionError(
            f'{len(foreign)} samples are not of the split, the first is {foreign[0]}'
        )


def _box_problem(box: Any, token: str) -> str | None:
    if not isinstance(box, dict):
        return 'is not an object'
    missing = [key for key in (*VECTORS, *TEXTS, 'detection_score') if key not in box]
    if missing:
        return f'lacks {missing}'
    for key, length in VECTORS.items():
        if not isinstance(box[key], list) or len(box[key]) != length:
            return f'{key} must be {length} numbers, got {box[key]}'
        if not all(map(_is_number, box[key])):
            return f'{key} is not finite: {box[key]}'
    if not _is_number(box['detection_score']) or box['detection_score'] < 0:
        return f'detection_score must be a number that is not negative: {box["detection_score"]}'
    if box['sample_token'] != token:
        return f'sample_token is {box["sample_token"]}'
    if min(box['size']) <= 0:
        return f'size must be positive: {box["size"]}'
    if abs(math.hypot(*box['rotation']) - 1) > 1e-3:
        return f'rotation is no unit quaternion: {box["rotation"]}'
    return _name_problem(box['detection_name'], box['attribute_name'])


def _name_problem(name: Any, attribute: Any) -> str | None:
    if name not in CLASS_ATTRIBUTES:
        return f'detection_name {name!r} is not one of {list(CLASS_ATTRIBUTES)}'
    group, _ = CLASS_ATTRIBUTES[name]
    legal = [a for a in ATTRIBUTES if a == '' or (group is not None and a.startswith(group))]
    if attribute not in legal:
        return f'attribute_name {attribute!r} of a {name} is not one of {legal}'
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_with_devkit(text: bytes) -> None:
    """Lets the devkit's own loader read what passed, for what only it may know."""
    with tempfile.NamedTemporaryFile(suffix='.json') as file:
        file.write(text)
        file.flush()
        try:
            load_prediction(file.name, MAX_BOXES, DetectionBox)
        except AssertionError as error:
            raise SubmissionError(f"nuscenes-devkit's loader refuses it: {error}") from error

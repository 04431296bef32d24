"""Scenes of an annotation file: its frames in the order in which they were taken."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .frames import Frame

__all__ = ['Scene', 'read_scenes', 'select_scene']

TABLES = ('v1.0-trainval', 'v1.0-mini', 'v1.0-test')
MAX_GAP = 3.0
"""Seconds; where no table names the scenes, a longer pause between samples begins a new one."""


class Scene(NamedTuple):
    """Consecutive samples.

    Attributes:
        name: That of nuScenes' tables, else ``sequence-000`` and so on.
        samples: Cameras of each sample, in the order of time.
    """

    name: str
    samples: tuple[tuple[Frame, ...], ...]


def read_scenes(frames: Sequence[Frame], data_root: str | Path | None = None) -> list[Scene]:
    """Sorts frames into scenes.

    Args:
        frames: What ``read_frames`` gave.
        data_root: Folder that may hold nuScenes' tables, whose ``scene`` and ``sample`` name the
            scenes. Without them a scene ends where the recording pauses.

    Returns:
        The scenes in the order in which they appear.
    """
    samples: dict[str, list[Frame]] = {}
    for frame in frames:
        samples.setdefault(frame.sample, []).append(frame)
    names = _names_of_samples(Path(data_root)) if data_root is not None else {}
    scenes: dict[str, list[tuple[Frame, ...]]] = {}
    previous: tuple[str, float] | None = None
    number = -1
    for token, group in sorted(samples.items(), key=lambda item: _moment(item[1][0])):
        log, time = _moment(group[0])
        if previous is None or log != previous[0] or time - previous[1] > MAX_GAP:
            number += 1
        previous = (log, time)
        name = names.get(token, f'sequence-{number:03d}')
        scenes.setdefault(name, []).append(tuple(group))
    return [Scene(name, tuple(groups)) for name, groups in scenes.items()]


def select_scene(scenes: Sequence[Scene], wanted: str) -> Scene:
    """The scene of this name, or with this index.

    Raises:
        ValueError: If there is none; the message lists those that are there.
    """
    for scene in scenes:
        if scene.name == wanted:
            return scene
    if re.fullmatch(r'-?\d+', wanted) and -len(scenes) <= int(wanted) < len(scenes):
        return scenes[int(wanted)]
    known = ', '.join(f'{index} {scene.name}' for index, scene in enumerate(scenes[:8]))
    more = ', ...' if len(scenes) > 8 else ''
    raise ValueError(f'no scene {wanted}; there are {len(scenes)}: {known}{more}')


def _names_of_samples(data_root: Path) -> dict[str, str]:
    """Scene name of each sample token, from whatever tables lie there."""
    names: dict[str, str] = {}
    for version in TABLES:
        folder = data_root / version
        if not (folder / 'scene.json').is_file() or not (folder / 'sample.json').is_file():
            continue
        scenes = {row['token']: row['name'] for row in _rows(folder / 'scene.json')}
        for row in _rows(folder / 'sample.json'):
            names.setdefault(row['token'], scenes[row['scene_token']])
    return names


def _rows(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding='utf-8'))


def _moment(frame: Frame) -> tuple[str, float]:
    """Log and seconds in nuScenes' file names (``log__camera__microseconds``); else name, 0."""
    parts = frame.path.stem.split('__')
    if len(parts) == 3 and parts[2].isdigit():
        return parts[0], int(parts[2]) / 1e6
    return str(frame.path.parent), 0.0

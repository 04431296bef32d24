"""Access to the nuScenes tables through the devkit, with errors that name the cure."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nuscenes import NuScenes
from nuscenes.utils.splits import create_splits_scenes, get_scenes_of_custom_split

from ..inputs import read_lines, read_text
from ..taxonomy import CATEGORIES

TABLES = (
    'attribute',
    'calibrated_sensor',
    'category',
    'ego_pose',
    'instance',
    'log',
    'map',
    'sample',
    'sample_annotation',
    'sample_data',
    'scene',
    'sensor',
    'visibility',
)
WHITE_SPACE = re.compile(r'[ \t\n\r]*')


# What is read of each table, here and by the devkit; every table has `token`.
COLUMNS = {
    name: frozenset(('token', *columns))
    for name, columns in {
        'attribute': ('name',),
        'calibrated_sensor': ('sensor_token', 'translation', 'rotation', 'camera_intrinsic'),
        'category': ('name',),
        'ego_pose': ('translation', 'rotation', 'timestamp'),
        'instance': ('category_token',),
        'log': (),
        'map': ('log_tokens', 'filename'),
        'sample': ('timestamp', 'scene_token', 'prev', 'next'),
        'sample_annotation': (
            'sample_token',
            'instance_token',
            'visibility_token',
            'attribute_tokens',
            'translation',
            'size',
            'rotation',
            'prev',
            'next',
            'num_lidar_pts',
            'num_radar_pts',
        ),
        'sample_data': (
            'sample_token',
            'ego_pose_token',
            'calibrated_sensor_token',
            'timestamp',
            'is_key_frame',
            'height',
            'width',
            'filename',
        ),
        'scene': ('name', 'log_token', 'first_sample_token', 'last_sample_token'),
        'sensor': ('channel', 'modality'),
        'visibility': (),
    }.items()
}


def official_category(name: str) -> str:
    """The official name of a category that tables of one's own call by its class, such as `car`."""
    plain = re.sub(r'[\s-]+', '_', name.strip().lower())
    return CATEGORIES.get(plain, name)


class KeyframeTables(NuScenes):
    """The devkit's tables without the rows of sweeps between the keyframes.

    Of the 2.6 million rows each of ``sample_data`` and ``ego_pose`` in v1.0-trainval 0.4 million
    belong to keyframes; detection needs no other. Rows are parsed one at a time, so that a table
    never exists as a whole beside its text.
    """

    def __load_table__(self, table_name: str) -> list[dict]:
        rows = rows_of_table(self.table_root, table_name)
        if table_name == 'category':
            return [{**row, 'name': official_category(row['name'])} for row in rows]
        if table_name == 'sample_data':
            return self._keyframe_data
        if table_name == 'ego_pose':  # which the devkit loads before sample_data
            data = rows_of_table(self.table_root, 'sample_data')
            self._keyframe_data = [record for record in data if record['is_key_frame']]
            wanted = {record['ego_pose_token'] for record in self._keyframe_data}
            return [record for record in rows if record['token'] in wanted]
        return list(rows)


def rows_of_table(folder: str | Path, table_name: str) -> Iterator[dict]:
    """Rows of a table, one at a time, checked for the columns that are read.

    Raises:
        ValueError: If the table is damaged, or lacks a column.
    """
    path = Path(folder) / f'{table_name}.json'
    needed = COLUMNS[table_name]
    try:
        for row in _rows_of(read_text(path)):
            if not needed <= row.keys():
                absent = sorted(needed - row.keys())
                columns = f'the column{"s" * (len(absent) > 1)} {", ".join(absent)}'
                raise LookupError(
                    f'{path} lacks {columns} (in the row {row.get("token", row)!r:.80}); a '
                    'nuScenes table of your own needs all columns of the original'
                )
            yield row
    except LookupError as error:
        raise ValueError(error.args[0]) from error
    except ValueError as error:
        raise ValueError(
            f'{path} is cut short or not a nuScenes table ({error}); unpack it again'
        ) from error


def _rows_of(text: str) -> Iterator[dict]:
    """Objects of a json list, one at a time."""
    decode, position = json.JSONDecoder().raw_decode, _skip(text, 0)
    if text[position : position + 1] != '[':
        raise ValueError('it does not start with [')
    position = _skip(text, position + 1)
    while text[position : position + 1] != ']':
        row, position = decode(text, position)
        if not isinstance(row, dict):
            raise ValueError(f'{row!r} is no row')
        yield row
        position = _skip(text, position)
        if text[position : position + 1] == ',':
            position = _skip(text, position + 1)
        elif text[position : position + 1] != ']':
            raise ValueError(f'neither , nor ] at character {position}')


def _skip(text: str, position: int) -> int:
    """Position of the next character that is no white space."""
    match = WHITE_SPACE.match(text, position)
    return position if match is None else match.end()


def load_tables(data_root: str | Path, version: str) -> NuScenes:
    """Loads the nuScenes tables ``data_root/version``, of the keyframes only.

    Raises:
        FileNotFoundError: If a table is not there.
        ValueError: If a table is damaged.
    """
    _table_folder(data_root, version)
    collecting = gc.isenabled()
    gc.disable()  # nothing of millions of rows is garbage; looking for it doubles the time
    try:
        return KeyframeTables(version=version, dataroot=str(data_root), verbose=False)
    finally:
        if collecting:
            gc.enable()


def _table_folder(data_root: str | Path, version: str) -> Path:
    """Folder of the tables, all of which are there."""
    folder = Path(data_root) / version
    missing = [name for name in TABLES if not (folder / f'{name}.json').is_file()]
    if missing:
        absent = 'any table' if len(missing) == len(TABLES) else f'the tables {missing}'
        raise FileNotFoundError(
            f'{folder} lacks {absent}: unpack the nuScenes metadata of {version} there, or check '
            'data_root and version; a submission file alone (test.py --format-only) needs no tables'
        )
    return folder


class Outline(NamedTuple):
    """The small tables, which say what there is to evaluate.

    Attributes:
        version: Of the data set.
        dataroot: Its folder.
        scene: Rows of the table.
        sample: Rows of the table.
        sensor: Rows of the table.
    """

    version: str
    dataroot: str
    scene: list[dict]
    sample: list[dict]
    sensor: list[dict]


def load_outline(data_root: str | Path, version: str) -> Outline:
    """Checks that all tables are there, and reads the small ones.

    Raises:
        FileNotFoundError: If a table is not there.
        ValueError: If one of those that are read is damaged.
    """
    folder = _table_folder(data_root, version)
    rows = {name: list(rows_of_table(folder, name)) for name in ('scene', 'sample', 'sensor')}
    return Outline(version, str(data_root), **rows)


def read_split_file(path: str | Path) -> list[str]:
    """Scene names or sample tokens of a custom split.

    Args:
        path: A json list, or a text file with one name per line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds nothing, or is not such a list.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no split file {path}; it lists scene names or sample tokens')
    try:
        names = json.loads(read_text(path)) if path.suffix.lower() == '.json' else read_lines(path)
    except ValueError as error:
        raise ValueError(f'{path} is no json list: {error}') from error
    if not isinstance(names, list) or not names or any(not isinstance(n, str) for n in names):
        raise ValueError(f'{path} must be a list of scene names or of sample tokens')
    return names


def split_name(split: str | Sequence[str]) -> str:
    """What a split is called in a log."""
    return split if isinstance(split, str) else f'custom split ({len(split)} entries)'


def split_samples(tables: NuScenes, split: str | Sequence[str]) -> list[dict]:
    """Samples of a split, in the order of the table.

    Args:
        tables: nuScenes tables.
        split: An official split; one of the devkit's custom ``splits.json``; a file that
            ``read_split_file`` reads; or a list of scene names or of sample tokens.

    Raises:
        FileNotFoundError: If it looks like a file, which is not there.
        ValueError: If the split is unknown, or names scenes or samples that the tables lack.
    """
    official = create_splits_scenes()
    if isinstance(split, str) and split in official:
        # partial data sets are allowed here, as the devkit's evaluator does
        names = set(official[split])
        scenes = {scene['token'] for scene in tables.scene if scene['name'] in names}
        return [sample for sample in tables.sample if sample['scene_token'] in scenes]
    wanted = _custom_names(tables, split)
    scene_tokens = {scene['name']: scene['token'] for scene in tables.scene}
    samples = {sample['token'] for sample in tables.sample}
    unknown = [name for name in wanted if name not in scene_tokens and name not in samples]
    if unknown:
        raise ValueError(
            f'{len(unknown)} of the {len(wanted)} names of the split are neither scenes nor '
            f'samples of {tables.version}, the first is {unknown[0]!r}'
        )
    chosen = {scene_tokens.get(name, name) for name in wanted}
    return [s for s in tables.sample if s['token'] in chosen or s['scene_token'] in chosen]


def _custom_names(tables: NuScenes, split: str | Sequence[str]) -> Sequence[str]:
    if not isinstance(split, str):
        return split
    if split.lower().endswith(('.json', '.txt')):
        return read_split_file(split)
    try:
        return get_scenes_of_custom_split(split, tables)
    except ValueError as error:
        raise ValueError(
            f'{split!r} is neither an official split ({sorted(create_splits_scenes())}) nor a '
            f'.json or .txt file nor a custom split of the devkit: {error}'
        ) from error

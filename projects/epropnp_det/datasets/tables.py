"""Access to the nuScenes tables through the devkit, with errors that name the cure."""

from __future__ import annotations

from pathlib import Path

from nuscenes import NuScenes
from nuscenes.utils.splits import create_splits_scenes, get_scenes_of_custom_split

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


def load_tables(data_root: str | Path, version: str) -> NuScenes:
    """Loads the nuScenes tables ``data_root/version``.

    Raises:
        FileNotFoundError: If a table is not there.
    """
    folder = Path(data_root) / version
    missing = [name for name in TABLES if not (folder / f'{name}.json').is_file()]
    if missing:
        absent = 'any table' if len(missing) == len(TABLES) else f'the tables {missing}'
        raise FileNotFoundError(
            f'{folder} lacks {absent}: unpack the nuScenes metadata of {version} there, or check '
            'data_root and version; a submission file alone (test.py --format-only) needs no tables'
        )
    return NuScenes(version=version, dataroot=str(data_root), verbose=False)


def split_scenes(tables: NuScenes, split: str) -> list[dict]:
    """Scenes of a split that the tables hold, in the order of the table.

    Args:
        tables: nuScenes tables.
        split: An official split, or one of the devkit's custom ``splits.json``.
    """
    names = create_splits_scenes().get(split) or get_scenes_of_custom_split(split, tables)
    return [scene for scene in tables.scene if scene['name'] in set(names)]


def split_samples(tables: NuScenes, split: str) -> list[dict]:
    """Samples of a split, in the order of the table."""
    scenes = {scene['token'] for scene in split_scenes(tables, split)}
    return [sample for sample in tables.sample if sample['scene_token'] in scenes]

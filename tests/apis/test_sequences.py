import json
from types import SimpleNamespace

import pytest

from epropnp_det.apis import read_scenes, select_scene


def frame(sample, log='log-a', seconds=0.0, camera='CAM_FRONT'):
    from pathlib import Path

    name = f'{log}__{camera}__{int((1000 + seconds) * 1e6)}.jpg'
    return SimpleNamespace(sample=sample, path=Path('samples') / camera / name, camera=camera)


def test_a_pause_or_another_log_begins_a_new_scene():
    frames = [frame('b', seconds=0.5), frame('a'), frame('c', seconds=60), frame('d', log='log-b')]
    frames.append(frame('a', camera='CAM_BACK'))
    scenes = read_scenes(frames)
    assert [scene.name for scene in scenes] == ['sequence-000', 'sequence-001', 'sequence-002']
    samples = [[group[0].sample for group in scene.samples] for scene in scenes]
    assert samples == [['a', 'b'], ['c'], ['d']]
    assert [found.camera for found in scenes[0].samples[0]] == ['CAM_FRONT', 'CAM_BACK']


def test_tables_name_the_scenes(tmp_path):
    tables = tmp_path / 'v1.0-mini'
    tables.mkdir()
    (tables / 'scene.json').write_text(json.dumps([{'token': 's', 'name': 'scene-0103'}]))
    rows = [{'token': token, 'scene_token': 's'} for token in 'ab']
    (tables / 'sample.json').write_text(json.dumps(rows))
    frames = [frame('a'), frame('b', seconds=0.5), frame('z', seconds=500)]
    scenes = read_scenes(frames, tmp_path)
    assert [(scene.name, len(scene.samples)) for scene in scenes] == [
        ('scene-0103', 2),
        ('sequence-001', 1),
    ]
    assert select_scene(scenes, 'scene-0103') is select_scene(scenes, '0') is scenes[0]
    assert select_scene(scenes, '-1') is scenes[1]
    with pytest.raises(ValueError, match='no scene scene-9; there are 2: 0 scene-0103'):
        select_scene(scenes, 'scene-9')

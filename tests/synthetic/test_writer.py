import fcntl
import hashlib
from pathlib import Path

import numpy as np
import pytest
from nuscenes.utils.splits import create_splits_scenes

from epropnp_det.synthetic import SPLITS, Spec, make_dataset, scene_order, scene_world
from epropnp_det.synthetic.files import writer
from epropnp_det.synthetic.sensors.frame import observe_frame

TINY = Spec(scenes=2, frames=1, scale=0.05, seed=3)


def _digest(root: Path) -> dict:
    files = [path for path in sorted(root.rglob('*')) if path.is_file()]
    return {
        str(path.relative_to(root)): hashlib.md5(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp('tiny') / 'a', TINY, progress=False)


def test_the_number_of_workers_does_not_matter(tiny, tmp_path):
    other = make_dataset(tmp_path / 'b', TINY, workers=2, progress=False)
    first = _digest(tiny)
    assert len(first) == 13 + 2 + 2 * 7
    assert first == _digest(other)


def test_the_seed_matters(tiny, tmp_path):
    other = make_dataset(tmp_path / 'c', TINY._replace(scenes=1, seed=4), progress=False)
    assert not set(_digest(other).values()) & set(_digest(tiny).values()) - _fixed(tiny)


def _fixed(root: Path) -> set:
    """Visibility levels are the same in every data set."""
    return {hashlib.md5((root / 'v1.0-mini' / 'visibility.json').read_bytes()).hexdigest()}


def test_scale_leaves_the_world_as_it_is():
    small, large = scene_world(TINY, 0), scene_world(TINY._replace(scale=0.5), 0)
    assert len(small.actors) == len(large.actors)
    for a, b in zip(small.actors, large.actors):
        np.testing.assert_array_equal(a.start, b.start)
        np.testing.assert_array_equal(a.shape.size, b.shape.size)


def test_a_full_folder_is_refused_unless_forced(tmp_path):
    (tmp_path / 'mine').write_text('precious')
    with pytest.raises(FileExistsError, match='--force'):
        make_dataset(tmp_path, TINY, progress=False)
    assert (tmp_path / 'mine').read_text() == 'precious'
    make_dataset(tmp_path, TINY._replace(scenes=1), force=True, progress=False)
    assert not (tmp_path / 'mine').exists() and (tmp_path / 'v1.0-mini').is_dir()


def test_a_file_is_never_replaced(tmp_path):
    (tmp_path / 'out').write_text('precious')
    with pytest.raises(FileExistsError, match='is a file'):
        make_dataset(tmp_path / 'out', TINY, force=True, progress=False)


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A folder that a run was to fill which stopped after one of its two keyframes."""
    drawn = []

    def stop_at_the_second(*args):
        if drawn:
            raise KeyboardInterrupt
        drawn.append(args)
        return observe_frame(*args)

    with monkeypatch.context() as patch:
        patch.setattr(writer, 'observe_frame', stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(tmp_path / 'out', TINY, progress=False)
    assert not (tmp_path / 'out').exists()
    return tmp_path / 'out'


def _count_frames(monkeypatch):
    drawn = []

    def count(*args):
        drawn.append(args[0].name)
        return observe_frame(*args)

    monkeypatch.setattr(writer, 'observe_frame', count)
    return drawn


def test_an_interrupted_run_goes_on_where_it_stopped(interrupted, tiny, monkeypatch):
    drawn = _count_frames(monkeypatch)
    make_dataset(interrupted, TINY, progress=False)
    assert drawn == ['scene-0103']
    assert _digest(interrupted) == _digest(tiny)
    assert [path.name for path in interrupted.parent.iterdir()] == ['out']


def test_another_spec_does_not_go_on_with_it(interrupted, monkeypatch):
    drawn = _count_frames(monkeypatch)
    make_dataset(interrupted, TINY._replace(seed=5), progress=False)
    assert drawn == ['scene-0061', 'scene-0103']


def test_two_processes_do_not_write_the_same_folder(tmp_path):
    with open(tmp_path / '.out.lock', 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FileExistsError, match='another process'):
            make_dataset(tmp_path / 'out', TINY, progress=False)


def test_mini_val_alone_has_the_scenes_that_it_has_in_mini(tiny, tmp_path):
    alone = _digest(make_dataset(tmp_path / 'val', TINY._replace(scenes=1, split='mini_val')))
    assert {name for name in alone if name.endswith('.jpg')}
    both = _digest(tiny)
    assert all(both[name] == md5 for name, md5 in alone.items() if not name.endswith('.json'))


@pytest.mark.parametrize(
    ('split', 'version', 'count'),
    [('mini', 'v1.0-mini', 10), ('mini_train', 'v1.0-mini', 8), ('mini_val', 'v1.0-mini', 2)]
    + [('trainval', 'v1.0-trainval', 850), ('train', 'v1.0-trainval', 700)],
)
def test_splits_are_filled_with_their_official_scenes(split, version, count):
    spec = Spec(scenes=count, split=split).check()
    assert spec.version == version and len(set(spec.indices)) == count
    official = create_splits_scenes()
    names = {scene_order(version)[index] for index in spec.indices}
    assert names == {name for part in SPLITS[split] for name in official[part]}
    with pytest.raises(ValueError, match='more frames'):
        spec._replace(scenes=count + 1).check()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(scenes=11), 'more frames'),
        (dict(scenes=0), 'scenes'),
        (dict(frames=0), 'frames per scene'),
        (dict(scale=0.333), 'whole pixels'),
        (dict(split='test'), 'mini_val'),
        (dict(conditions=()), 'day'),
        (dict(conditions=('day', 'snow')), 'snow.*there are day, dusk, night'),
        (dict(conditions=('day+night',)), 'contradicts'),
        (dict(conditions=('empty+crowd',)), 'contradicts'),
    ],
)
def test_bad_specs_name_the_cure(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(tmp_path / 'x', TINY._replace(**change), progress=False)
    assert not (tmp_path / 'x').exists()

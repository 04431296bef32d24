import hashlib
from pathlib import Path

import numpy as np
import pytest

from epropnp_det.synthetic import Spec, make_dataset, scene_world

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


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr('epropnp_det.synthetic.writer._write_map', fail)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(tmp_path / 'out', TINY._replace(scenes=1), progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(scenes=11), 'more frames'),
        (dict(scenes=0), 'scenes'),
        (dict(frames=0), 'frames per scene'),
        (dict(scale=0.333), 'whole pixels'),
    ],
)
def test_bad_specs_name_the_cure(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(tmp_path / 'x', TINY._replace(**change), progress=False)
    assert not (tmp_path / 'x').exists()

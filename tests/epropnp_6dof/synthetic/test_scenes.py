"""Scenes that are rendered: which views, and what the command writes."""

import numpy as np
import pytest

from epropnp_6dof.data.bop import read_bop
from epropnp_6dof.synthetic.scenes import upright_rotation
from support.scripts import load


def test_upright_objects_are_seen_from_above_and_from_all_sides():
    turns = np.stack([upright_rotation(np.random.RandomState(k)) for k in range(300)])
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(turns), 1)
    up = turns[:, :, 2]  # the object's z axis in the camera frame: y points down, z away
    elevation = np.degrees(np.arcsin(-up[:, 2]))
    roll = np.degrees(np.arctan2(up[:, 0], -up[:, 1]))
    assert 10 < elevation.min() < 15 and 75 < elevation.max() < 80
    assert -30 < roll.min() < -25 and 25 < roll.max() < 30
    camera = -turns[:, 2, :2]  # where the camera is, in the object's xy plane
    azimuth = np.degrees(np.arctan2(camera[:, 1], camera[:, 0]))
    assert (np.histogram(azimuth, 8, (-180, 180))[0] > 15).all()


def command(repository, monkeypatch, *words):
    tool = load(repository / 'tools' / 'make_synthetic_linemod.py')
    sizes = ('--train', 1, '--test', 1)
    monkeypatch.setattr('sys.argv', ['make_synthetic_linemod.py', *map(str, (*words, *sizes))])
    tool.main()


def test_the_command_renders_chosen_objects_upright(repository, tmp_path, monkeypatch):
    out = tmp_path / 'data'
    command(repository, monkeypatch, out, '--objects', 4, '--upright')
    (found,) = read_bop(out / 'train')
    assert found.obj_id == 4 and found.rotation[2, 2] < 0
    assert (out / 'models' / 'obj_000004.ply').is_file()


def test_the_command_names_unknown_objects(repository, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r'no object \[9\]; there are \[1, 2, 3, 4\]'):
        command(repository, monkeypatch, tmp_path / 'data', '--objects', 9)

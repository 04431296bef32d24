"""The command lines of convert_checkpoint.py and publish_model.py."""

import sys

import pytest
import torch

from epropnp_det.apis import init_detector
from epropnp_det.checkpoints import read_checkpoint
from epropnp_det.taxonomy import CLASSES
from support import official_shapes
from support.scripts import load

CONFIG = 'configs/epropnp_det/epropnp_det_v1b_220312_r101_nuscenes.py'


@pytest.fixture
def run(repository, monkeypatch):
    def run(tool, *arguments):
        module = load(repository / 'tools' / f'{tool}.py')
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        module.main()

    return run


@pytest.fixture(scope='module')
def official(repository, tmp_path_factory):
    """An official v1b file made of our own model; its tensors are zeros that take no space."""
    model = init_detector(repository / CONFIG, device='cpu')
    rest = {n: t.shape for n, t in model.state_dict().items() if not n.startswith('bbox_head.')}
    head = {'bbox_head.' + n: s for n, s in official_shapes.head_shapes('v1b_220312').items()}
    state = {name: torch.zeros(()).expand(shape) for name, shape in {**rest, **head}.items()}
    path = tmp_path_factory.mktemp('official') / 'epropnp_det_v1b_220312.pth'
    meta = dict(CLASSES=list(CLASSES), epoch=12, mmdet_version='2.19.1')
    torch.save(dict(meta=meta, state_dict=state, optimizer=dict(lr=0.1)), path)
    return path


def test_converts_with_the_config_of_the_version(run, official, tmp_path, capsys, repository):
    target = tmp_path / 'ours.pth'
    run('convert_checkpoint', official, target)
    out = capsys.readouterr().out
    assert 'bbox_head.k_proj.weight' in out and 'correspondence.encoder.key_proj.weight' in out
    assert 'backbone.*' in out and 'official v1b_220312' in out
    assert f'tools/test.py {repository / CONFIG} {target}' in out
    content = read_checkpoint(target)
    assert set(content) == {'meta', 'state_dict'}
    assert content['meta']['epoch'] == 12 and content['meta']['CLASSES'] == tuple(CLASSES)
    assert content['meta']['converted']['version'] == 'v1b_220312'
    model = init_detector(repository / CONFIG, target, device='cpu')
    assert tuple(CLASSES) == model.CLASSES
    assert not any(parameter.any() for parameter in model.parameters())

    with pytest.raises(SystemExit, match='error: .*--force'):
        run('convert_checkpoint', official, target)
    run('convert_checkpoint', official, target, '--force', '--quiet')
    assert 'k_proj' not in capsys.readouterr().out


def test_loading_an_official_file_unconverted_names_the_converter(official, repository):
    with pytest.raises(ValueError, match='convert it by tools/convert_checkpoint.py'):
        init_detector(repository / CONFIG, official, device='cpu')


def test_refuses_the_config_of_another_version(run, official, tmp_path, repository):
    config = repository / 'configs/epropnp_det/epropnp_det_v2_r101_nuscenes.py'
    with pytest.raises(SystemExit, match='is official v1b_220312, but .* is of v2'):
        run('convert_checkpoint', official, tmp_path / 'x.pth', '--config', config)
    assert not (tmp_path / 'x.pth').exists()


def test_refuses_another_order_of_classes(run, official, tmp_path):
    content = torch.load(official)
    content['meta']['CLASSES'] = CLASSES[::-1]
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(SystemExit, match='classes .* are not those of'):
        run('convert_checkpoint', tmp_path / 'a.pth', tmp_path / 'x.pth')


def test_refuses_other_models_and_missing_files(run, tmp_path):
    torch.save({'state_dict': {'backbone.conv1.weight': torch.ones(1)}}, tmp_path / 'a.pth')
    with pytest.raises(SystemExit, match='no official EPro-PnP-Det checkpoint'):
        run('convert_checkpoint', tmp_path / 'a.pth', tmp_path / 'x.pth')
    with pytest.raises(SystemExit, match='no checkpoint .*b.pth'):
        run('convert_checkpoint', tmp_path / 'b.pth', tmp_path / 'x.pth')


def test_publishes(run, official, tmp_path, capsys):
    run('publish_model', official, tmp_path / 'model.pth')
    (written,) = tmp_path.glob('model-*.pth')
    assert str(written) in capsys.readouterr().out
    with pytest.raises(SystemExit, match='--force'):
        run('publish_model', official, tmp_path / 'model.pth')

"""The command line of check_training_step.py, with a narrow network on the keyframe."""

import json
import sys

import pytest
from mmcv import Config

from epropnp_det.engine.config import with_data_root
from support.scripts import load


@pytest.fixture
def run(repository, monkeypatch, capsys):
    def run(*arguments):
        tool = load(repository / 'benchmarks' / 'check_training_step.py')
        monkeypatch.setattr(sys, 'argv', ['check_training_step', *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            tool.main()
        return end.value.code, capsys.readouterr().out

    return run


@pytest.mark.parametrize('dead', [False, True])
def test_says_what_got_a_gradient(run, repository, keyframe_root, tmp_path, dead):
    path = repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_keyframe_cpu.py'
    cfg = with_data_root(Config.fromfile(str(path)), keyframe_root)
    cfg.model.backbone.base_channels = 16
    cfg.model.backbone.frozen_stages = 1
    cfg.model.neck.in_channels = [32, 64, 128]
    if dead:
        cfg.model.bbox_head.losses.loss_attr = None
    cfg.data.train.pipeline[2].scale = 0.25
    cfg.data.train.pipeline[3].top = 49
    (tmp_path / 'config.json').write_text(json.dumps(cfg._cfg_dict.to_dict()))
    code, out = run(tmp_path / 'config.json', '--no-pretrained', '--device', 'cpu')
    assert code == int(dead)
    branch = [f'bbox_head.correspondence.attr_branch.{part}' for part in ('weight', 'bias')]
    assert f'no gradient: {2 * dead} parameters' in out and 'not finite: 0' in out
    assert all((f'    {name}\n' in out) is dead for name in branch)
    assert 'frozen parts: backbone.bn1, backbone.conv1, backbone.layer1' in out
    assert 'loss_pose' in out and 'peak memory' in out


def test_missing_files_are_named(run, tmp_path):
    code, _ = run(tmp_path / 'none.py')
    assert 'no config' in code

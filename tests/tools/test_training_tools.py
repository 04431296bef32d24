"""Command lines around training: replay of bad steps, curves, numbers of a network."""

import json
import runpy
import sys

import pytest
import torch

from support.engine_runs import train_here
from support.engine_tiny import tiny_config


@pytest.fixture
def tool(repository, monkeypatch, capsys):
    def run(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(repository / 'tools' / name), run_name='__main__')
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out

    return run


def test_a_bad_step_replays_with_its_images_and_randomness(tool, tmp_path, monkeypatch):
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    cfg = tiny_config(tmp_path, **{'data.train.bad': {'3': 'nan'}, 'runner.max_epochs': 1})
    train_here(cfg, meta={'config': cfg.pretty_text, 'seed': 0})
    (path,) = (tmp_path / 'bad_steps').iterdir()
    code, out = tool('replay_step.py', path, '--device', 'cpu')
    assert code == 1 and 'token3' in out and 'nan' in out
    assert '    features.0.weight' in out
    content = torch.load(path, weights_only=False)
    for batch in content['batches']:
        batch['img'].data[0].nan_to_num_(nan=0.5)
    torch.save(content, path)
    assert tool('replay_step.py', path, '--device', 'cpu')[0] == 0
    assert 'no saved step' in tool('replay_step.py', tmp_path / 'latest.pth')[0]
    assert 'no file' in tool('replay_step.py', tmp_path / 'none.pth')[0]


def log_file(path, epochs, losses):
    lines = [{'env_info': '...', 'seed': 0}]
    for epoch in epochs:
        for number in (10, 20):
            step = {'mode': 'train', 'epoch': epoch, 'iter': number, 'lr': 0.1}
            lines.append({**step, 'loss': losses[epoch], 'grad_norm': 1.0})
        lines.append({'mode': 'val', 'epoch': epoch, 'iter': 6, 'lr': 0.1, 'mAP': 0.1 * epoch})
    path.write_text('\n'.join(map(json.dumps, lines)) + '\n{"mode": "tra')


def test_curves_of_an_interrupted_run_become_one_picture(tool, tmp_path):
    losses = {1: 4.0, 2: 3.0, 3: 2.0}
    log_file(tmp_path / '20260101_000000.log.json', [1, 2], losses)
    log_file(tmp_path / '20260102_000000.log.json', [2, 3], losses)
    out = tmp_path / 'curves.png'
    code, text = tool('plot_logs.py', tmp_path, '--out', out)
    assert not code and out.stat().st_size > 10_000
    assert 'loss 4 -> 2 at iteration 60' in text
    assert 'no training log' in tool('plot_logs.py', tmp_path / 'none')[0]
    assert "no ['los']" in tool('plot_logs.py', tmp_path, '--keys', 'los')[0]


def test_counts_parameters_by_part(tool, repository):
    config = repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py'
    code, out = tool('model_info.py', config, '--shape', 64, 96)
    assert not code
    for part in ('backbone', 'neck', 'bbox_head.detector', 'bbox_head.correspondence', 'all'):
        assert part in out
    assert 'GFLOPs' in out or 'MFLOPs' in out or 'GMac' in out

"""Options of stock configs that the engine takes as they are."""

import json
import logging

import pytest
import torch
from mmcv import Config, ConfigDict
from mmcv.runner import BaseModule
from torch import nn

from epropnp_det.engine import workflow_data
from epropnp_det.engine.initialisation import initialise
from support.engine_tiny import TinyImages


def modes(folder):
    lines = [json.loads(line) for line in (folder / 'now.log.json').read_text().splitlines()]
    return [line['mode'] for line in lines if 'mode' in line]


@pytest.mark.parametrize('runner', ['ResumableEpochRunner', 'EpochBasedRunner'])
def test_losses_of_validation_data(runner, train, tmp_path):
    changes = {'runner.type': runner, 'workflow': [('train', 1), ('val', 1)]}
    changes['runner.max_epochs'] = 2
    train(**changes)
    found = modes(tmp_path / 'work')
    assert found.count('val') == 2 and found.count('train') > 2


def test_data_sets_of_a_workflow():
    steps, others = [dict(type='A')], [dict(type='B')]
    train = dict(type='RepeatDataset', dataset=[dict(pipeline=steps)])
    val = dict(pipeline=others, test_mode=True)
    cfg = Config(dict(data=dict(train=train, val=val), workflow=[('train', 1), ('val', 1)]))
    first, second = workflow_data(cfg)
    assert first == ConfigDict(train)
    assert second == dict(pipeline=steps, test_mode=False)
    assert cfg.data.val.pipeline == others
    cfg.workflow = [('test', 1)]
    with pytest.raises(ValueError, match="not 'test'"):
        workflow_data(cfg)


@pytest.mark.parametrize('scale', [512.0, 'dynamic', dict(init_scale=512.0)])
@pytest.mark.parametrize('runner', ['ResumableEpochRunner', 'EpochBasedRunner'])
def test_fp16(runner, scale, train, caplog):
    changes = {'runner.type': runner, 'runner.max_epochs': 1, 'fp16': dict(loss_scale=scale)}
    with caplog.at_level(logging.WARNING):
        model = train(**changes)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize('hook', ['EMAHook', 'ExpMomentumEMAHook'])
def test_runs_of_averaging_hooks_go_on(hook, train, tmp_path):
    hooks = {'custom_hooks': [dict(type=hook, priority='ABOVE_NORMAL')]}
    train(**hooks, **{'runner.max_epochs': 1})
    start = str(tmp_path / 'work' / 'epoch_1.pth')
    train('more', **{'load_from': start, 'runner.max_epochs': 1})


def test_what_evaluation_lacks_is_known_before_the_first_epoch(train, monkeypatch, tmp_path):
    def check_evaluation(self, **options):
        raise ValueError('no tables')

    monkeypatch.setattr(TinyImages, 'check_evaluation', check_evaluation, raising=False)
    with pytest.raises(ValueError, match='no tables'):
        train(validate=True, **{'evaluation.interval': 3})
    assert not list((tmp_path / 'work').glob('*.pth'))
    train(validate=True, **{'evaluation.interval': 4})  # which never comes


def test_results_outlive_an_evaluation_that_fails(train, monkeypatch, tmp_path):
    def evaluate(self, results, **options):
        raise RuntimeError('later')

    monkeypatch.setattr(TinyImages, 'evaluate', evaluate)
    with pytest.raises(RuntimeError, match='later'):
        train(validate=True, **{'evaluation.interval': 1})
    assert (tmp_path / 'work' / 'results.pkl').is_file()


class Small(BaseModule):
    def __init__(self):
        super().__init__(init_cfg=dict(type='Normal', layer='Conv2d', std=0.1))
        self.layer = nn.Conv2d(3, 4, 1)


def test_initialisation_is_not_told_line_by_line(tmp_path, caplog, capfd):
    model = Small()
    with caplog.at_level(logging.INFO):
        initialise(model, tmp_path / 'init.txt')
    assert 'layer.weight' not in caplog.text + ''.join(capfd.readouterr())
    lines = (tmp_path / 'init.txt').read_text().splitlines()
    assert lines[0].startswith('layer.weight (4, 3, 1, 1): ') and 'Normal' in lines[0]
    assert '_dump_init_info' not in vars(model)

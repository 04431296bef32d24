"""Steps that are not finite change nothing, are named, saved, and end training in the end."""

import logging
import math
from pathlib import Path

import pytest
import torch
from mmcv.runner import HOOKS, Hook
from mmdet.utils import get_root_logger

from epropnp_det.engine import NanSafeOptimizerHook
from support.engine_runs import assert_same, start, state_of, train_here, wait
from support.engine_tiny import tiny_config


@HOOKS.register_module(force=True)
class Poison(Hook):
    """Makes losses NaN or gradients infinite at chosen iterations, in the first process only."""

    def __init__(self, kind, iterations, rank=0):
        self.kind, self.iterations, self.rank = kind, iterations, rank

    def before_train_iter(self, runner):
        model = runner.model.module
        if not hasattr(model, 'honest'):
            model.honest = model.train_step
        model.train_step = model.honest
        if runner.iter in self.iterations and runner.rank == self.rank:
            model.train_step = self.poisoned(model)

    def poisoned(self, model):
        def train_step(data, optimizer):
            outputs = model.honest(data, optimizer)
            if self.kind == 'gradient':
                outputs['loss'].register_hook(lambda gradient: gradient * math.inf)
            return outputs

        def nan_step(data, optimizer):
            from epropnp_det.engine import parse_losses

            losses = model(**data)
            losses['loss_main'] = losses['loss_main'] * math.nan
            loss, log = parse_losses(losses)
            return {'loss': loss, 'log_vars': log, 'num_samples': 1}

        return nan_step if self.kind == 'loss' else train_step


def train_quietly(work_dir, changes, distributed=False):
    logger = get_root_logger(log_level='WARNING')
    handler = logging.FileHandler(Path(work_dir).with_suffix('.txt'))
    logger.addHandler(handler)
    try:
        return train_tiny(work_dir, changes, distributed)
    finally:
        logger.removeHandler(handler)


def train_tiny(work_dir, changes, distributed=False):
    return train_here(tiny_config(work_dir, **changes), distributed)


KINDS = {
    'image': {'data.train.bad': {'3': math.nan}},
    'loss': {'custom_hooks': [dict(type='Poison', kind='loss', iterations=[2])]},
    'gradient': {'custom_hooks': [dict(type='Poison', kind='gradient', iterations=[2])]},
}


@pytest.mark.parametrize('kind', list(KINDS))
def test_goes_on_as_if_the_step_had_not_been(kind, tmp_path):
    """The reference leaves the step out: nothing of it remains, in batch norm and Adam neither."""
    changes = {'runner.max_epochs': 1, 'lr_config': dict(_delete_=True, policy='fixed')}
    trained = train_quietly(tmp_path / 'a', {**changes, **KINDS[kind]})
    bad = (tmp_path / 'a.txt').read_text().splitlines()
    assert len(bad) == 1 and 'tools/replay_step.py' in bad[0]
    assert ('token3' in bad[0]) if kind == 'image' else ('token' in bad[0])
    assert ('loss_main, loss not finite' in bad[0]) is (kind == 'loss')
    assert ('all losses finite' in bad[0]) is (kind == 'gradient')
    iteration = int(bad[0].split('iteration ')[1].split(':')[0]) - 1
    reference = train_quietly(
        tmp_path / 'b', {**changes, 'custom_hooks': [dict(type='LeaveOut', iteration=iteration)]}
    )
    assert_same(trained.state_dict(), reference.state_dict())
    assert all(v.isfinite().all() for v in trained.state_dict().values())


@HOOKS.register_module(force=True)
class LeaveOut(Hook):
    """Puts everything back to what it was before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner):
        import copy

        if runner.iter == self.iteration:
            self.before = copy.deepcopy(
                (runner.model.module.state_dict(), runner.optimizer.state_dict())
            )

    def after_train_iter(self, runner):
        if runner.iter == self.iteration:
            runner.model.module.load_state_dict(self.before[0])
            runner.optimizer.load_state_dict(self.before[1])


@pytest.mark.parametrize('kind', list(KINDS))
def test_all_processes_skip_alike(kind, tmp_path):
    changes = {**KINDS[kind], 'runner.max_epochs': 1, 'data.samples_per_gpu': 2}
    assert wait(start(train_quietly, tmp_path / 'a', changes, True, processes=2)) == [0, 0]
    message = (tmp_path / 'a.txt').read_text()
    assert message.count('optimiser step skipped (1 so far)') == 1
    if kind != 'gradient':
        assert 'not finite in process' in message
    state = torch.load(tmp_path / 'a' / 'latest.pth')
    assert all(v.isfinite().all() for v in state['state_dict'].values())
    assert state['meta']['bad_steps']['skipped'] == 1
    assert len(list((tmp_path / 'a' / 'bad_steps').glob('*_rank*.pth'))) == 2


def test_stops_alike_after_too_many_in_a_row(tmp_path, capfd):
    changes = {
        'custom_hooks': [dict(type='Poison', kind='loss', iterations=list(range(1, 9)))],
        'optimizer_config.max_consecutive': 4,
        'data.samples_per_gpu': 2,
    }
    assert wait(start(train_quietly, tmp_path, changes, True, processes=2)) == [1, 1]
    message = capfd.readouterr().err
    assert message.count('RuntimeError: 4 steps in a row without a finite loss') == 2
    assert len(list((tmp_path / 'bad_steps').iterdir())) == 2 * 3  # max_saved


def test_counts_in_a_row_across_an_interruption(tmp_path):
    changes = {
        'custom_hooks': [
            dict(type='Poison', kind='loss', iterations=list(range(4, 18))),
            dict(type='SaveLatestHook', interval=1),
        ],
        'optimizer_config.max_consecutive': 4,
        'runner.max_epochs': 1,
    }
    train_quietly(tmp_path, changes)  # ends after two
    changes['runner.max_epochs'] = 3
    with pytest.raises(RuntimeError, match='4 steps in a row'):
        train_quietly(tmp_path, {**changes, 'auto_resume': True})
    assert torch.load(tmp_path / 'latest.pth')['meta']['bad_steps']['skipped'] == 3


def test_saved_step_replays(tmp_path):
    """Weights, batch and randomness of the file give the very loss that was not finite."""
    changes = {**KINDS['image'], 'runner.max_epochs': 1}
    train_quietly(tmp_path, changes)
    (path,) = (tmp_path / 'bad_steps').iterdir()
    saved = torch.load(path, weights_only=False)
    assert saved['place'][1] == 0 and len(saved['batches']) == 1
    assert state_of(path)['features.0.weight'].isfinite().all()
    names = [meta['sample_idx'] for meta in saved['batches'][0]['img_metas'].data[0]]
    assert 'token3' in names and len(names) == 4


def test_rejects_nonsense():
    with pytest.raises(ValueError, match='at least 1'):
        NanSafeOptimizerHook(cumulative_iters=0)


def test_unwritable_folder_does_not_stop_training(tmp_path):
    (tmp_path / 'bad_steps').write_text('a file in the way')
    train_quietly(tmp_path, {**KINDS['image'], 'runner.max_epochs': 1})
    assert Path(tmp_path / 'latest.pth').exists()

import logging
import math
from types import SimpleNamespace

import pytest
import torch
from mmcv.runner import HOOKS
from mmcv.runner.log_buffer import LogBuffer

from epropnp_det.apis import NanSafeOptimizerHook


def runner_of(model, optimizer):
    return SimpleNamespace(
        model=model,
        optimizer=optimizer,
        outputs=None,
        iter=0,
        log_buffer=LogBuffer(),
        logger=logging.getLogger('test'),
    )


@pytest.fixture
def runner():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    return runner_of(model, optimizer)


def step(hook, runner, scale):
    loss = runner.model(torch.ones(1, 2)).sum() * scale
    runner.outputs = {'loss': loss, 'num_samples': 1}
    hook.after_train_iter(runner)


def test_is_registered_under_its_name():
    hook = HOOKS.build(dict(type='NanSafeOptimizerHook', grad_clip=dict(max_norm=1.0)))
    assert isinstance(hook, NanSafeOptimizerHook)


def test_nothing_changes_in_a_step_without_finite_gradient(runner, caplog):
    """Neither parameters (weight decay!) nor moments nor the step count of Adam
    (docs/differences.md W2)."""
    hook = NanSafeOptimizerHook(grad_clip=dict(max_norm=1.0))
    step(hook, runner, 1.0)
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    moments = [s['exp_avg'].clone() for s in runner.optimizer.state.values()]
    for bad in (math.nan, math.inf):
        step(hook, runner, bad)
    assert hook.skipped == 2
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, before[name])
    for state, moment in zip(runner.optimizer.state.values(), moments):
        assert torch.equal(state['exp_avg'], moment)
        assert int(state['step']) == 1
    assert 'optimiser step skipped (2 so far)' in caplog.text
    step(hook, runner, 1.0)
    assert not torch.equal(runner.model.weight, before['weight'])
    assert all(math.isfinite(norm) for norm in runner.log_buffer.val_history['grad_norm'])


def test_clips_as_asked(runner):
    step(NanSafeOptimizerHook(grad_clip=dict(max_norm=0.5)), runner, 100.0)
    norm = math.sqrt(sum(p.grad.square().sum().item() for p in runner.model.parameters()))
    assert norm == pytest.approx(0.5, rel=1e-4)
    assert runner.log_buffer.val_history['grad_norm'][0] == pytest.approx(100 * math.sqrt(3))
    step(NanSafeOptimizerHook(), runner, 100.0)
    assert runner.model.weight.grad.tolist() == [[100.0, 100.0]]


def test_diverged_training_stops(runner):
    hook = NanSafeOptimizerHook(max_consecutive=3)
    for _ in range(2):
        step(hook, runner, math.nan)
    step(hook, runner, 1.0)
    for _ in range(2):
        step(hook, runner, math.nan)
    with pytest.raises(RuntimeError, match='diverged'):
        step(hook, runner, math.nan)

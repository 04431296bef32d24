"""Parameters of equal settings share a group, and no number changes by it."""

import copy

import pytest
import torch
from mmcv.runner import build_optimizer
from torch import nn

from epropnp_det.engine import NanSafeOptimizerHook, runners
from epropnp_det.engine.param_groups import merge_groups, regrouped
from support.engine_runs import assert_same, state_of

PARAMWISE = dict(
    custom_keys={'features.0': dict(lr_mult=0.1), 'features.6': dict(decay_mult=0.0)},
    bias_decay_mult=0.0,
)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))


def optimizer_of(model):
    keys = {'1': dict(lr_mult=0.1)}
    config = dict(type='AdamW', lr=0.01, weight_decay=0.1, paramwise_cfg=dict(custom_keys=keys))
    return build_optimizer(model, config)


def step(model, optimizer):
    optimizer.zero_grad()
    model(torch.arange(6.0).view(2, 3)).square().sum().backward()
    optimizer.step()


def test_groups_of_equal_settings_are_joined_and_steps_are_the_same():
    plain, joined = network(), network()
    first, second = optimizer_of(plain), optimizer_of(joined)
    order = merge_groups(second)
    assert [id(p) for p in order] == [id(p) for p in joined.parameters()]
    assert [len(group['params']) for group in first.param_groups] == [1] * 6
    assert [(g['lr'], len(g['params'])) for g in second.param_groups] == [(0.01, 4), (0.001, 2)]
    for _ in range(3):
        step(plain, first)
        step(joined, second)
    assert_same(plain.state_dict(), joined.state_dict())


def test_state_of_single_groups_goes_to_the_same_parameters():
    plain, joined = network(), network()
    first, second = optimizer_of(plain), optimizer_of(joined)
    order = merge_groups(second)
    step(plain, first)
    for group in first.param_groups:
        group['lr'] /= 2  # as a schedule does
    joined.load_state_dict(plain.state_dict())
    saved = copy.deepcopy(first.state_dict())  # newer versions of torch would share its tensors
    second.load_state_dict(regrouped(saved, second, order))
    assert [group['lr'] for group in second.param_groups] == [0.005, 0.0005]
    for one, other in zip(plain.parameters(), joined.parameters()):
        assert torch.equal(first.state[one]['exp_avg'], second.state[other]['exp_avg'])
    step(plain, first)
    step(joined, second)
    assert_same(plain.state_dict(), joined.state_dict())


def test_state_in_the_same_groups_or_of_others_is_left_alone():
    model = network()
    optimizer = optimizer_of(model)
    order = merge_groups(optimizer)
    own = optimizer.state_dict()
    assert regrouped(own, optimizer, order) is own
    other = optimizer_of(nn.Linear(3, 4)).state_dict()
    with pytest.raises(ValueError, match='group'):
        optimizer.load_state_dict(regrouped(other, optimizer, order))


def stop_at(patch, iteration):
    original = NanSafeOptimizerHook.after_train_iter

    def stop(self, runner):
        original(self, runner)
        if runner.iter == iteration:
            raise KeyboardInterrupt

    patch.setattr(NanSafeOptimizerHook, 'after_train_iter', stop)


def test_a_run_goes_on_from_a_checkpoint_with_a_group_per_parameter(train, tmp_path):
    """Bit for bit, also where the groups differ in rate and decay."""
    hook = dict(type='SaveLatestHook', interval=1)
    changes = {'optimizer.paramwise_cfg': PARAMWISE, 'custom_hooks': [hook]}
    whole = train('whole', **changes).state_dict()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runners, 'merge_groups', lambda optimizer: [])
        stop_at(patch, 8)
        train('part', **changes)
    saved = torch.load(tmp_path / 'part' / 'last.pth')['optimizer']
    assert len(saved['param_groups']) == len(saved['state'])
    assert_same(whole, train('part', auto_resume=True, **changes).state_dict())
    saved = torch.load(tmp_path / 'part' / 'latest.pth')['optimizer']
    assert len(saved['param_groups']) == 3 < len(saved['state'])
    assert_same(*(state_of(tmp_path / name / 'latest.pth') for name in ('whole', 'part')))

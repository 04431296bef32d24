"""Optimisers are built where Python has no `pkgutil.find_loader`, as mmcv builds them elsewhere."""

import pkgutil
from importlib.util import find_spec

import pytest
import torch
from mmcv.ops import DeformConv2d
from mmcv.runner import build_optimizer
from mmcv.runner.optimizer import DefaultOptimizerConstructor
from torch import nn

from epropnp_det.engine import OptimizerConstructor

PARAMWISE = dict(custom_keys={'0': dict(lr_mult=0.1)}, bias_lr_mult=2.0, dcn_offset_lr_mult=0.5)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), DeformConv2d(4, 4, 3))


@pytest.fixture
def newer_python(monkeypatch):
    monkeypatch.delattr(pkgutil, 'find_loader', raising=False)


def groups(constructor, network):
    config = dict(type='SGD', lr=0.1, weight_decay=0.01)
    optimizer = constructor(config, PARAMWISE)(network)
    return [
        {**group, 'params': [id(p) for p in group['params']]} for group in optimizer.param_groups
    ]


def test_groups_are_those_of_the_stock_constructor(network, monkeypatch):
    monkeypatch.setattr(pkgutil, 'find_loader', find_spec, raising=False)
    stock = groups(DefaultOptimizerConstructor, network)
    monkeypatch.delattr(pkgutil, 'find_loader')
    assert groups(OptimizerConstructor, network) == stock
    assert len(stock) == 5


def test_python_is_left_as_it_was(network, newer_python):
    groups(OptimizerConstructor, network)
    assert not hasattr(pkgutil, 'find_loader')
    with pytest.raises(AttributeError, match='find_loader'):  # what the class is for
        groups(DefaultOptimizerConstructor, network)
    assert not hasattr(pkgutil, 'find_loader')


def test_python_is_left_as_it_was_after_a_mistake(network, newer_python):
    with pytest.raises(KeyError, match='NoOptimizer'):
        OptimizerConstructor(dict(type='NoOptimizer', lr=0.1, weight_decay=0.0), PARAMWISE)(network)
    assert not hasattr(pkgutil, 'find_loader')


def test_configs_get_one_that_works_here(network):
    config = dict(type='SGD', lr=0.1, weight_decay=0.01, paramwise_cfg=PARAMWISE)
    assert len(build_optimizer(network, config).param_groups) == 5

"""The comparison of a killed run with a whole one: what it trains, and that it sees differences."""

import copy

import torch

from epropnp_det.engine import load_config
from support.scripts import load


def test_the_config_saves_often_and_is_the_same_otherwise(repository, tmp_path):
    tool = load(repository / 'benchmarks' / 'kill_and_resume.py')
    source = repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_kitti_cpu.py'
    made = load_config(tool.write_config(str(source), 3, tmp_path))
    assert made.custom_hooks == [{'type': 'SaveLatestHook', 'interval': 3}]
    given = load_config(source)
    assert made.pop('custom_hooks') != given.pop('custom_hooks')
    assert made._cfg_dict == given._cfg_dict


def test_one_bit_is_a_difference(repository):
    tool = load(repository / 'benchmarks' / 'kill_and_resume.py')
    state = {'a': [torch.ones(3), {'b': torch.zeros(2), 'step': 4}]}
    other = copy.deepcopy(state)
    assert list(tool.differences(state, other, 'state')) == []
    other['a'][1]['b'][1] = 1e-45
    other['a'][1]['step'] = 5
    assert list(tool.differences(state, other, 'state')) == ['state.a[1].b', 'state.a[1].step']

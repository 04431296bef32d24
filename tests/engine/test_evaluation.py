"""The loader of a test set asks for no more processes than there are processors."""

import warnings

import pytest
from mmcv import Config

from epropnp_det.engine import build_test_loader
from epropnp_det.engine import evaluation as module


@pytest.mark.parametrize(('asked', 'here', 'started'), [(8, 2, 2), (1, 4, 1), (0, 4, 0)])
def test_processes_are_capped(asked, here, started, monkeypatch):
    monkeypatch.setattr(module, 'available_processors', lambda: here)
    cfg = Config(dict(data=dict(test_dataloader=dict(workers_per_gpu=asked, samples_per_gpu=3))))
    loader = build_test_loader(list(range(7)), cfg)
    assert loader.num_workers == started and loader.batch_size == 3
    assert list(loader.sampler) == list(range(7))


def test_torch_finds_nothing_to_warn_of():
    cfg = Config(dict(data=dict(test_dataloader=dict(workers_per_gpu=4096))))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        build_test_loader(list(range(7)), cfg)

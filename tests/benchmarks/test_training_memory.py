"""What operations keep for the backward pass, counted."""

import gc
import sys

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from support.scripts import load


@pytest.fixture
def memory(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / 'benchmarks'))
    yield load(repository / 'benchmarks' / 'training_memory.py')
    sys.modules.pop('compared_detectors', None)


class Net(nn.Module):
    """Squares three times; a square keeps its input, so three blocks of 400 bytes."""

    def __init__(self, recompute):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(100))
        self.recompute = recompute

    def train_step(self, data, optimizer):
        def squares(x):
            for _ in range(3):
                x = x.square()
            return x

        moved = data['img'] + self.weight
        for _ in range(2):
            moved = checkpoint(squares, moved) if self.recompute else squares(moved)
        return {'loss': moved.sum()}


def test_each_storage_counts_once_and_peaks_with_what_is_computed_again(memory):
    batch = {'img': torch.zeros(100)}
    plain = memory.saved_for_backward(Net(recompute=False), batch, half=False)
    again = memory.saved_for_backward(Net(recompute=True), batch, half=False)
    assert plain == 6 * 400
    # Both inputs, and while one half is gone back through its three squares: the second's input,
    # which its first square keeps, is one of them.
    assert again == 4 * 400


def test_memory_that_is_there_anyway_or_gone_does_not_count(memory):
    weight = nn.Parameter(torch.ones(100))
    counter = memory.SavedBytes([weight])
    with counter:
        loss = (weight * 2 * weight).sum()
    assert counter.now == counter.peak == 400  # of the product, the doubled weight
    del loss
    gc.collect()
    assert counter.now == 0


def test_the_backbone_keeps_less_when_it_is_recomputed(memory, monkeypatch):
    monkeypatch.setenv('EPROPNP_BACKEND', 'planar')
    network = memory.NETWORKS['small']._replace(size=(128, 96))
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = memory.our_model(network).train()
        if recompute:
            memory.recompute_backbone(model)
        batch = memory.make_batch(network, 1, 3, 'cpu')
        found.append(memory.saved_for_backward(model, batch, half=False))
    assert found[1] < 0.9 * found[0]

"""The table beside FCOS3D, and how little the detector asks of a device."""

import argparse
import sys

import pytest

from epropnp_det.pnp.backend import SWITCH
from support.scripts import load


@pytest.fixture
def benchmark(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / 'benchmarks'))
    yield load(repository / 'benchmarks' / 'benchmark_iteration.py')
    for name in ('compared_detectors', 'kernel_counts'):
        sys.modules.pop(name, None)


@pytest.fixture
def works(benchmark, monkeypatch):
    """The small network on two images of 128 x 96, solved in plain torch."""
    monkeypatch.setenv(SWITCH, 'planar')
    small = benchmark.NETWORKS['small']._replace(size=(128, 96))
    monkeypatch.setitem(benchmark.NETWORKS, 'small', small)
    args = argparse.Namespace(network='small', batch=2, objects=3, checkpoint=False, candidates=16)
    return benchmark.prepare('EPro-PnP-Det', args, 'cpu')


def test_operations_stay_few_and_waits_fewer(benchmark, works):
    """Bounds just above what it is; more than half of it is the layer, in plain torch."""
    for work, kernels, waits in ((works.learn, 5600, 16), (works.test, 2050, 15)):
        work()  # grids and tables are made once
        found = benchmark.count(work)
        assert found.kernels <= kernels and found.waits <= waits, found


def test_the_table_has_times_memory_and_counts(benchmark, works):
    samples = {'ours': [works.train()]}
    counts = {'train': {'ours': benchmark.Counts(12, 3)}}
    table = benchmark.table(samples, {'ours': 5.0}, counts, by_wall=False)
    for row in ('backbone, neck', 'PnP', 'iteration', 'peak memory', 'operations (waits), train'):
        assert row in table
    assert '12 (3)' in table

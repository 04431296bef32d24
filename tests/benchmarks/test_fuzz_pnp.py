"""A short run of the fuzzer, and proof that it notices broken promises."""

import sys
from collections import Counter

import pytest
import torch

from epropnp_det.pnp.backend import SWITCH
from epropnp_det.pnp.reference.frames import finite_objects
from support.scripts import load


@pytest.fixture(scope='module')
def fuzz(repository):
    sys.path.insert(0, str(repository / 'benchmarks'))
    yield load(repository / 'benchmarks' / 'fuzz_pnp.py')
    sys.path.remove(str(repository / 'benchmarks'))


def test_no_promise_breaks(fuzz):
    total, broken = fuzz.run(5000, seed=7)
    assert not broken, broken[:5]
    assert all(total[name] > 50 for name in fuzz.KINDS)
    assert 0.3 < total['(flagged invalid)'] / 5000 < 0.8


def test_notices_gradients_that_are_not_finite(fuzz, monkeypatch):
    from epropnp_det.pnp.reference import problems

    monkeypatch.setattr(problems.GuardGradient, 'apply', lambda *tensors: tensors)
    _, broken = fuzz.run(600, seed=7)
    assert any('gradient' in reason for reason in broken)


def test_notices_a_missing_flag(fuzz, monkeypatch):
    from epropnp_det.pnp import correspondences

    def finite(pose_type, points, cam2img, bounds, pose_init, mask):
        return finite_objects(points, cam2img, pose_init)

    careless = correspondences.choose(torch.zeros(1))._replace(usable=finite)
    monkeypatch.setattr(correspondences, 'choose', lambda tensor: careless)
    _, broken = fuzz.run(600, seed=7)
    assert any('is called valid' in reason for reason in broken)


def test_notices_changed_neighbours(fuzz, monkeypatch):
    solve = fuzz.LMSolver.solve

    def leaking(self, pose_type, problem, pose, fast_mode=False):
        solution = solve(self, pose_type, problem, pose, fast_mode)
        return solution._replace(pose=solution.pose + 1e-7 * solution.cost.nan_to_num().mean())

    monkeypatch.setattr(fuzz.LMSolver, 'solve', leaking)
    _, broken = fuzz.run(600, seed=7)
    assert any('neighbour changed' in reason for reason in broken)


def test_takes_the_backend_that_is_named(fuzz, monkeypatch, capsys):
    monkeypatch.setattr(fuzz, 'run', lambda *_, **__: (Counter({'(flagged invalid)': 0}), []))
    monkeypatch.setattr(sys, 'argv', ['fuzz_pnp.py', '--backend', 'reference'])
    monkeypatch.setenv(SWITCH, 'planar')
    with pytest.raises(SystemExit, match='0|False'):
        fuzz.main()
    assert 'backend reference\n' in capsys.readouterr().out

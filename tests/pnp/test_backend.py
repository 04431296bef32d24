"""The backends compute the same, whatever the number of threads, and one switch chooses."""

import subprocess
import sys

import pytest
import torch

from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, MonteCarloPoseLoss
from epropnp_det.pnp.backend import TORCH, Backend, choose, numba_backend

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
NUMBA = numba_backend()
needs_numba = pytest.mark.skipif(not isinstance(NUMBA, Backend), reason='numba does not load')


@needs_numba
@pytest.mark.parametrize('fast_mode', [False, True])
@pytest.mark.parametrize('dof', [4, 6])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_same_draws_same_results(random_objects, dof, dtype, fast_mode, monkeypatch):
    """A whole training step: both consume the same random numbers."""
    objects = random_objects(9, points=40, dof=dof, dtype=dtype)
    objects.camera.cam2img[3, 0, 1] = 30.0  # skewed
    results = []
    for name in ('torch', 'numba'):
        monkeypatch.setenv('EPROPNP_BACKEND', name)
        leaves = [tensor.clone().requires_grad_() for tensor in objects[:3]]
        found = LAYERS[dof](mc_samples=64, mc_tolerance=0).monte_carlo_forward(
            *leaves,
            objects.camera,
            objects.pose,
            fast_mode=fast_mode,
            generator=torch.Generator().manual_seed(0),
        )
        MonteCarloPoseLoss().eval()(found.log_weights, found.cost_target, 1.0).backward()
        results.append((found, [leaf.grad for leaf in leaves]))
    (plain, plain_gradients), (ours, gradients) = results
    loose = dict(rtol=2e-3, atol=2e-2) if dtype == torch.float32 else dict(rtol=1e-6, atol=1e-7)
    for name in ('pose', 'cost', 'samples', 'log_weights', 'cost_target'):
        torch.testing.assert_close(getattr(ours, name), getattr(plain, name), **loose)
    for one, other in zip(gradients, plain_gradients):
        assert (one - other).norm() <= loose['rtol'] * other.norm()


@needs_numba
def test_threads_change_no_bit(random_objects, monkeypatch):
    monkeypatch.setenv('EPROPNP_BACKEND', 'numba')
    objects = random_objects(40, points=24, dtype=torch.float32)
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        leaves = [tensor.clone().requires_grad_() for tensor in objects[:3]]
        found = EProPnP4DoF(mc_samples=32).monte_carlo_forward(
            *leaves, objects.camera, objects.pose, generator=torch.Generator().manual_seed(0)
        )
        (found.log_weights.logsumexp(0) + found.cost_target).sum().backward()
        results.append([found.pose, found.log_weights, *(leaf.grad for leaf in leaves)])
    torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(results[0], other))


def test_switch(random_objects, monkeypatch):
    tensor = torch.zeros(2)
    monkeypatch.delenv('EPROPNP_BACKEND', raising=False)
    assert choose(tensor).name == ('numba' if isinstance(NUMBA, Backend) else 'torch')
    monkeypatch.setenv('EPROPNP_BACKEND', 'torch')
    assert choose(tensor) is TORCH
    monkeypatch.setenv('EPROPNP_BACKEND', 'fast')
    with pytest.raises(ValueError, match='torch or numba'):
        choose(tensor)


def test_switch_names_what_does_not_load(monkeypatch):
    from epropnp_det.pnp import backend

    monkeypatch.setitem(backend.OPTIONAL, 'numba', lambda: 'ImportError: no numba')
    monkeypatch.setenv('EPROPNP_BACKEND', 'numba')
    with pytest.raises(ValueError, match='no numba'):
        choose(torch.zeros(1))
    monkeypatch.delenv('EPROPNP_BACKEND')
    assert choose(torch.zeros(1)) is TORCH


CACHE = """
import os, sys
from epropnp_det.pnp.cpu import jit

def work(x):
    return x + 1

print(jit.compiled(work)(1), jit.cache_folder())
"""


@needs_numba
@pytest.mark.parametrize('writable', [True, False])
def test_compiled_code_is_kept_where_there_is_a_place(tmp_path, repository, writable, monkeypatch):
    script, caches = tmp_path / 'work.py', tmp_path / 'caches'
    script.write_text(CACHE)
    if not writable:
        caches.write_text('a file where a folder should be')
    monkeypatch.setenv('NUMBA_CACHE_DIR', str(caches))
    monkeypatch.setenv('PYTHONPATH', str(repository / 'projects'))
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[0] == '2'
    if writable:
        assert list(caches.rglob('*.nbi'))

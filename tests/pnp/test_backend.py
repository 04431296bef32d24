"""The backends compute the same, whatever the number of threads, and one switch chooses."""

import subprocess
import sys

import pytest
import torch

from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, MonteCarloPoseLoss
from epropnp_det.pnp import backend as backends
from epropnp_det.pnp.backend import REFERENCE, Backend, choose, load
from support.limits import CHILD_SECONDS
from support.scripts import load as load_script

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
NUMBA = load('numba')
needs_numba = pytest.mark.skipif(not isinstance(NUMBA, Backend), reason='numba does not load')


def training_step(objects, dof, fast_mode=False):
    leaves = [tensor.clone().requires_grad_() for tensor in objects[:3]]
    found = LAYERS[dof](mc_samples=64, mc_tolerance=0).monte_carlo_forward(
        *leaves,
        objects.camera,
        objects.pose,
        fast_mode=fast_mode,
        generator=torch.Generator().manual_seed(0),
    )
    MonteCarloPoseLoss().eval()(found.log_weights, found.cost_target, 1.0).backward()
    return found, [leaf.grad for leaf in leaves]


@pytest.mark.parametrize(
    ('dtype', 'dof', 'fast_mode'),
    [
        (torch.float32, 4, False),
        (torch.float64, 4, True),
        (torch.float64, 6, False),
        (torch.float64, 6, True),
    ],
)
def test_same_draws_same_results(random_objects, dof, dtype, fast_mode, backend, monkeypatch):
    """A whole training step: all consume the same random numbers."""
    objects = random_objects(9, points=40, dof=dof, dtype=dtype)
    objects.camera.cam2img[3, 0, 1] = 30.0  # skewed
    ours, gradients = training_step(objects, dof, fast_mode)
    monkeypatch.setenv('EPROPNP_BACKEND', 'reference')
    plain, plain_gradients = training_step(objects, dof, fast_mode)
    # a proposal's factor amplifies rounding: the samples of float32 agree to a per cent
    loose = dict(rtol=2e-2, atol=5e-2) if dtype == torch.float32 else dict(rtol=1e-6, atol=1e-7)
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
        found, gradients = training_step(objects, 4)
        results.append([found.pose, found.log_weights, *gradients])
    torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(results[0], other))


def test_switch(monkeypatch):
    tensor = torch.zeros(2)
    monkeypatch.delenv('EPROPNP_BACKEND', raising=False)
    assert choose(tensor).name == ('numba' if isinstance(NUMBA, Backend) else 'planar')
    assert choose(torch.zeros(2, device='meta')) is REFERENCE
    monkeypatch.setenv('EPROPNP_BACKEND', 'reference')
    assert choose(tensor) is REFERENCE
    monkeypatch.setenv('EPROPNP_BACKEND', 'fast')
    with pytest.raises(ValueError, match='reference, planar, numba, triton'):
        choose(tensor)


def test_switch_names_what_does_not_load(monkeypatch):
    broken = {'numba': 'ImportError: no numba', 'planar': load('planar')}
    monkeypatch.setattr(backends, 'load', broken.__getitem__)
    monkeypatch.setenv('EPROPNP_BACKEND', 'numba')
    with pytest.raises(ValueError, match='no numba'):
        choose(torch.zeros(1))
    monkeypatch.delenv('EPROPNP_BACKEND')
    assert choose(torch.zeros(1)).name == 'planar'


@needs_numba
def test_compiled_code_is_kept_where_there_is_a_place(tmp_path, monkeypatch):
    from epropnp_det.pnp.compiled import jit

    (tmp_path / 'work.py').write_text('def work(x):\n    return x + 1\n')
    monkeypatch.setenv('NUMBA_CACHE_DIR', str(tmp_path / 'caches'))
    monkeypatch.setattr(jit, 'FOLDER', jit.cache_folder())
    assert jit.compiled(load_script(tmp_path / 'work.py').work)(1) == 2
    assert list((tmp_path / 'caches').rglob('work*.nbi'))


NO_CACHE = """
import epropnp_det.pnp.compiled.solver
from epropnp_det.pnp.compiled import jit

def work(x):
    return x + 1

print(jit.compiled(work)(1))
"""


@needs_numba
def test_compiled_code_needs_no_place(tmp_path, repository, monkeypatch):
    """In a process of its own: the loops themselves are set up as they are imported."""
    script, caches = tmp_path / 'work.py', tmp_path / 'caches'
    script.write_text(NO_CACHE)
    caches.write_text('a file where a folder should be')
    monkeypatch.setenv('NUMBA_CACHE_DIR', str(caches))
    monkeypatch.setenv('PYTHONPATH', str(repository / 'projects'))
    result = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=CHILD_SECONDS
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ['2']

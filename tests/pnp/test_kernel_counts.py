"""The plain path asks little of a GPU: few kernels, and it never waits for the device.

The bounds are what it takes, and a little for other versions of torch (inference, and a training
step forward and backward; the official 4DoF layer takes 488 and 2,985). Operations are counted, not
time.
"""

import sys

import pytest
import torch

from epropnp_det.pnp import (
    EProPnP4DoF,
    EProPnP6DoF,
    LMSolver,
    MonteCarloPoseLoss,
    PerspectiveCamera,
)
from epropnp_det.pnp import backend as backends
from epropnp_det.pnp.backend import REFERENCE, Backend

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
INFERENCE = {4: 375, 6: 458}
TRAINING = {4: 1485, 6: 1638}
AROUND_FUSED = {'inference': 6, 'training': 80}


@pytest.fixture(scope='module')
def kernel_counts(repository):
    sys.path.insert(0, str(repository / 'benchmarks'))
    import kernel_counts

    yield kernel_counts
    sys.path.remove(str(repository / 'benchmarks'))


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setenv('EPROPNP_BACKEND', 'reference')


@pytest.mark.parametrize('dof', [4, 6])
def test_inference(random_objects, kernel_counts, dof):
    objects = random_objects(5, points=24, dof=dof, dtype=torch.float32)
    pnp = LAYERS[dof](solver=LMSolver(num_iter=5))
    with torch.no_grad():
        found = kernel_counts.count(lambda: pnp(*objects[:4], fast_mode=True))
    assert found.kernels <= INFERENCE[dof]
    assert found.waits == 0


@pytest.mark.parametrize('dof', [4, 6])
def test_training_step(random_objects, kernel_counts, dof):
    objects = random_objects(5, points=24, dof=dof, dtype=torch.float32)
    pnp, loss = LAYERS[dof](mc_samples=16), MonteCarloPoseLoss()
    leaves = [tensor.clone().requires_grad_() for tensor in objects[:3]]

    def step():
        found = pnp.monte_carlo_forward(*leaves, objects.camera, pose_init=objects.pose)
        loss(found.log_weights, found.cost_target, 1.0).backward()

    found = kernel_counts.count(step)
    assert found.kernels <= TRAINING[dof]
    assert found.waits == 0


@pytest.mark.parametrize('dof', [4, 6])
def test_what_is_left_around_the_functions_of_a_backend(
    random_objects, kernel_counts, dof, monkeypatch
):
    """Where each of them is one launch."""

    class Outside(kernel_counts.KernelCounter):
        inside = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if self.inside:
                return func(*args, **(kwargs or {}))
            return super().__torch_dispatch__(func, types, args, kwargs)

    def apart(function):
        def run(*args, **kwargs):
            counter.inside += 1
            try:
                return function(*args, **kwargs)
            finally:
                counter.inside -= 1

        return run

    counter = Outside()
    functions = Backend('one launch each', *(apart(function) for function in REFERENCE[1:]))
    monkeypatch.setattr(backends, 'load', lambda name: functions)
    objects = random_objects(5, points=24, dof=dof, dtype=torch.float32)
    with counter, torch.no_grad():
        LAYERS[dof](normalize=True)(*objects[:4], fast_mode=True)
    assert 0 < sum(counter.operations.values()) <= AROUND_FUSED['inference']
    counter.operations.clear()
    leaves = [tensor.clone().requires_grad_() for tensor in objects[:3]]
    loss = MonteCarloPoseLoss()
    with counter:
        found = LAYERS[dof](16, normalize=True).monte_carlo_forward(
            *leaves, objects.camera, pose_init=objects.pose
        )
        loss(found.log_weights, found.cost_target, 1.0).backward()
    assert 0 < sum(counter.operations.values()) <= AROUND_FUSED['training']


def test_no_system_is_solved_for_all_points(random_objects, kernel_counts):
    """Of 256 right-hand sides and more torch makes a call that no CUDA graph may hold."""
    largest = {}

    class Widths(kernel_counts.KernelCounter):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if 'linalg' in func.name() and 'norm' not in func.name():
                widths = [arg.size(-1) for arg in args if isinstance(arg, torch.Tensor)]
                largest[func.name()] = max(widths + [largest.get(func.name(), 0)])
            return super().__torch_dispatch__(func, types, args, kwargs)

    objects = random_objects(3, points=300, dtype=torch.float32)
    with torch.no_grad(), Widths():
        EProPnP4DoF()(*objects[:4], fast_mode=True)
    assert largest and max(largest.values()) < 16


def test_counts_kernels_and_waits(kernel_counts):
    x = torch.arange(6.0)
    assert kernel_counts.count(lambda: x[2:].view(2, 2).t()) == (0, 0)
    assert kernel_counts.count(lambda: x * 2 + 1) == (2, 0)
    assert kernel_counts.count(lambda: x[x > 2]).waits == 1
    assert kernel_counts.count(lambda: bool(x.sum() > 0)).waits == 1


@pytest.mark.parametrize('dof', [4, 6])
def test_runs_on_a_gpu_that_is_not_there(random_objects, dof):
    """Fake tensors raise at whatever would wait for the device or use the wrong one."""
    if tuple(int(part) for part in torch.__version__.split('.')[:2]) < (2, 4):
        pytest.skip('fake tensors of this torch want a real GPU')
    from torch._subclasses.fake_tensor import FakeTensorMode

    objects = random_objects(5, points=24, dof=dof, dtype=torch.float32)
    pnp, loss = LAYERS[dof](mc_samples=16, normalize=True), MonteCarloPoseLoss()
    with FakeTensorMode():
        shapes = (*objects[:3], objects.pose, objects.camera.cam2img)
        x3d, x2d, w2d, pose, cam2img = (torch.empty(t.shape, device='cuda') for t in shapes)
        loss.norm_factor = torch.ones((), device='cuda')
        camera = PerspectiveCamera.from_image_size(cam2img, torch.empty(5, 2, device='cuda'))
        fast = pnp(x3d, x2d, w2d, camera, fast_mode=True)
        found = pnp.monte_carlo_forward(x3d, x2d, w2d, camera, pose, with_pose_plus=True)
        value = loss(found.log_weights, found.cost_target, 1.0)
    for tensor in (fast.pose, fast.valid, found.samples, found.pose_plus, found.ess, value):
        assert tensor.device.type == 'cuda'

"""The yardstick of the benchmark computes what the layer computes."""

import pytest
import torch

from epropnp_det.pnp import EProPnP4DoF, LMSolver, PerspectiveCamera
from support.scripts import load


@pytest.fixture(scope='module')
def reference(repository):
    return load(repository / 'benchmarks' / 'reference_pnp.py')


@pytest.fixture(scope='module')
def objects():
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    x3d = (rand(12, 40, 3) - 0.5) * torch.tensor([4.5, 1.7, 1.9])
    pose = torch.stack((rand(12) * 4, rand(12) + 1, rand(12) * 20 + 8, rand(12) * 6), -1)
    cam2img = torch.tensor([[1260.0, 0, 800], [0, 1260, 450], [0, 0, 1]], dtype=torch.float64)
    camera = PerspectiveCamera.from_image_size(
        cam2img.expand(12, 3, 3), torch.tensor([1600.0, 900.0]).expand(12, 2)
    )
    noise = torch.randn(12, 40, 2, generator=generator, dtype=torch.float64)
    x2d = camera.project(x3d, pose) + 3 * noise
    return x3d, x2d, 0.1 + rand(12, 40, 2) / 4, camera, pose


def test_solvers_agree(reference, objects):
    x3d, x2d, w2d, camera, pose = objects
    plain = reference.Camera(camera.cam2img, camera.lower, camera.upper)
    start = pose + torch.tensor([0.5, 0.2, 3.0, 0.4], dtype=torch.float64)
    delta = reference.adaptive_delta(x2d, w2d)
    found = reference.levenberg_marquardt(start, x3d, x2d, w2d, plain, delta)
    ours = EProPnP4DoF()(x3d, x2d, w2d, camera, start)
    torch.testing.assert_close(found[0][:, :3], ours.pose[:, :3], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(found[1], ours.pose_cov, atol=1e-8, rtol=1e-4)
    torch.testing.assert_close(found[2], ours.cost)
    steps = reference.gauss_newton(start, x3d, x2d, w2d, plain, delta, 4)[0]
    ours = EProPnP4DoF(solver=LMSolver(num_iter=4))(x3d, x2d, w2d, camera, start, fast_mode=True)
    better = reference.cost_of(steps, x3d, x2d, w2d, plain, delta) <= ours.cost + 1e-9
    torch.testing.assert_close(steps[better, :3], ours.pose[better, :3], atol=1e-8, rtol=1e-8)
    assert better.double().mean() > 0.8


def test_losses_and_gradients_agree_within_sampling_error(reference, objects):
    x3d, x2d, w2d, camera, pose = objects
    plain = reference.Camera(camera.cam2img, camera.lower, camera.upper)
    torch.manual_seed(0)
    inputs = [tensor.clone().requires_grad_() for tensor in (x3d, x2d, w2d)]
    log_weights, cost = reference.monte_carlo_forward(*inputs, plain, pose, mc_samples=4096)
    posterior = log_weights.logsumexp(0) - torch.tensor(4096.0).log()
    expected = torch.autograd.grad((cost + posterior).sum(), inputs)
    mc = EProPnP4DoF(mc_samples=4096).monte_carlo_forward(*inputs, camera, pose)
    gradient = torch.autograd.grad((mc.cost_target + mc.log_weights.logsumexp(0)).sum(), inputs)
    torch.testing.assert_close(mc.cost_target, cost)
    torch.testing.assert_close(mc.log_weights.logsumexp(0), posterior, atol=0.12, rtol=0)
    for ours, other in zip(gradient, expected):
        assert (ours - other).norm() < 0.15 * other.norm()


def test_inference_agrees(reference, objects):
    x3d, x2d, w2d, camera, pose = objects
    plain = reference.Camera(camera.cam2img, camera.lower, camera.upper)
    torch.manual_seed(0)
    found = reference.infer(x3d, x2d, w2d, plain)
    assert ((found - pose)[:, :3].norm(dim=1) < 0.5).all()


def test_singular_objects_stop_nobody(reference, objects):
    """Undamped steps of degenerate float32 objects are singular; the others are not harmed."""
    x3d, x2d, w2d, camera, pose = (
        tensor.float() if isinstance(tensor, torch.Tensor) else tensor for tensor in objects
    )
    x3d = x3d.clone()
    x3d[::2] = 0.0  # every point at the origin: yaw is free
    fields = (camera.cam2img, camera.lower, camera.upper)
    plain = reference.Camera(*(field.float() for field in fields))
    matrix = torch.diag_embed(torch.tensor([[1.0, 0.0], [2.0, 4.0]]))
    solved = reference.solve(matrix, torch.ones(2, 2, 1))[..., 0]
    assert solved.tolist() == [[0.0, 0.0], [0.5, 0.25]]
    for seed in range(3):
        torch.manual_seed(seed)
        found = reference.infer(x3d, x2d, w2d, plain)
        assert ((found - pose)[1::2, :3].norm(dim=1) < 0.5).all()


def test_a_seed_repeats_everything(reference, objects):
    x3d, x2d, w2d, camera, pose = objects
    plain = reference.Camera(camera.cam2img, camera.lower, camera.upper)
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append(reference.monte_carlo_forward(x3d, x2d, w2d, plain, pose, mc_samples=16)[0])
    assert torch.equal(*runs)

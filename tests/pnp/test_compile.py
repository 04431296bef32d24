"""`torch.compile` takes the whole layer as one graph, for any number of objects and points."""

import pytest
import torch

from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, LMSolver, MonteCarloPoseLoss, RSLMSolver

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
VERSION = tuple(int(part) for part in torch.__version__.split('.')[:2])
pytestmark = pytest.mark.skipif(VERSION < (2, 11), reason='compiled with torch 2.11 and newer only')


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """What is compiled takes the reference; so must what it is compared with."""
    monkeypatch.setenv('EPROPNP_BACKEND', 'reference')
    torch._dynamo.reset()


def small_layer(dof):
    """Few iterations: the graphs of a compiler grow with them."""
    search = RSLMSolver(num_points=6, num_proposals=4, num_iter=1)
    return LAYERS[dof](
        mc_samples=8, num_iter=2, solver=LMSolver(num_iter=1), init_solver=search, normalize=True
    )


def compiled(function, backend):
    return torch.compile(function, fullgraph=True, dynamic=True, backend=backend)


@pytest.mark.parametrize(('dof', 'backend'), [(4, 'eager'), (6, 'eager'), (4, 'aot_eager')])
def test_inference(random_objects, dof, backend):
    pnp = small_layer(dof)

    def plain(*args):
        return pnp(*args, fast_mode=True)

    run = compiled(plain, backend)
    for num, points in ((5, 20), (3, 12)):
        objects = random_objects(num, points=points, dof=dof)
        results = []
        for function in (run, plain):
            torch.manual_seed(0)
            with torch.no_grad():
                results.append(function(*objects[:4]))
        torch.testing.assert_close(results[0].pose, results[1].pose)
        torch.testing.assert_close(results[0].pose_cov, results[1].pose_cov)


@pytest.mark.parametrize('backend', ['eager', 'aot_eager'])
def test_training_step(random_objects, backend):
    pnp, loss = small_layer(4), MonteCarloPoseLoss().double().eval()
    objects = random_objects(4, points=12)

    def value(x3d, x2d, w2d):
        found = pnp.monte_carlo_forward(
            x3d, x2d, w2d, objects.camera, objects.pose, with_pose_plus=True
        )
        return loss(found.log_weights, found.cost_target, 1.0) + found.pose_plus.sum()

    gradients = []
    for function in (compiled(value, backend), value):
        leaves = [tensor.clone().requires_grad_() for tensor in objects[:3]]
        torch.manual_seed(0)
        function(*leaves).backward()
        gradients.append([leaf.grad for leaf in leaves])
    for ours, plain in zip(*gradients):
        torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-8)

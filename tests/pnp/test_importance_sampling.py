import math

import pytest
import torch

from epropnp_det.pnp import (
    AdaptiveHuberCost,
    EProPnP4DoF,
    LMSolver,
    PerspectiveCamera,
    Pose4DoF,
    Pose6DoF,
)
from epropnp_det.pnp.backend import REFERENCE
from epropnp_det.pnp.importance_sampling import (
    adaptive_importance_sampling,
    effective_sample_size,
)
from epropnp_det.pnp.problem import make_problem
from epropnp_det.pnp.proposals import draw_noise
from epropnp_det.pnp.reference.costs import differentiable_costs, pose_costs


def target_cost(problem, pose):
    return differentiable_costs(Pose4DoF, problem, pose[:, None])[:, 0]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_weights_are_those_of_the_proposal_mixture(random_objects, pose_type, monkeypatch):
    """Recomputes the deterministic-mixture weights from the recorded proposals."""
    from epropnp_det.pnp.reference import posterior as module

    recorded = []

    def spy(function):
        def wrapped(*args, **kwargs):
            recorded.append(function(*args, **kwargs))
            return recorded[-1]

        return wrapped

    monkeypatch.setattr(module, 'initial_proposal', spy(module.initial_proposal))
    monkeypatch.setattr(module, 'refit_proposal', spy(module.refit_proposal))
    objects = random_objects(3, dof=pose_type.dof)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    covariance = 0.01 * torch.eye(pose_type.dof, dtype=torch.float64).expand(3, -1, -1)
    result = adaptive_importance_sampling(
        REFERENCE,
        pose_type,
        problem,
        objects.pose,
        covariance,
        draw_noise(pose_type, objects.pose, (4, 3, 8), seeded()),
    )
    assert len(recorded) == 4
    log_density = torch.stack([proposal.log_prob(result.poses) for proposal in recorded])
    mixture = log_density.logsumexp(0) - math.log(4)
    cost = pose_costs(pose_type, problem, result.poses)
    torch.testing.assert_close(result.log_weights, -cost - mixture - math.log(32))


def test_gradient_is_the_contrast_of_target_and_samples(random_objects, backend):
    objects = random_objects(3)
    x2d = objects.x2d.requires_grad_()
    problem = objects.problem(torch.full((3,), 2.0, dtype=torch.float64))
    covariance = 0.01 * torch.eye(4, dtype=torch.float64).expand(3, 4, 4)
    result = adaptive_importance_sampling(
        backend,
        Pose4DoF,
        problem,
        objects.pose,
        covariance,
        draw_noise(Pose4DoF, objects.pose, (4, 3, 16), seeded()),
    )
    loss = (target_cost(problem, objects.pose) + result.log_weights.logsumexp(1)).sum()
    (gradient,) = torch.autograd.grad(loss, x2d, retain_graph=True)
    share = result.log_weights.detach().softmax(1)
    contrast = target_cost(problem, objects.pose)
    contrast = contrast - (share * differentiable_costs(Pose4DoF, problem, result.poses)).sum(1)
    (expected,) = torch.autograd.grad(contrast.sum(), x2d)
    torch.testing.assert_close(gradient, expected)


def integrate(problem, center, half_width, steps):
    """Log-normaliser of the 4DoF posterior on a dense grid, (B,)."""
    axes = [torch.linspace(-1, 1, steps + 1, dtype=torch.float64)[:-1] + 1 / steps] * 4
    grid = torch.cartesian_prod(*axes) * half_width
    poses = center[:, None] + grid
    log_cell = torch.log(2 * half_width / steps).sum()
    return torch.logsumexp(-differentiable_costs(Pose4DoF, problem, poses), 1) + log_cell


@pytest.mark.usefixtures('backend')
def test_loss_and_gradient_against_dense_integration():
    """The Monte Carlo loss of a small problem is an integral that can be computed."""
    generator = seeded(5)
    x3d = (torch.rand(1, 12, 3, generator=generator, dtype=torch.float64) - 0.5) * 2
    pose = torch.tensor([[0.2, -0.1, 5.0, 0.4]], dtype=torch.float64)
    camera = PerspectiveCamera(torch.tensor([[[50.0, 0, 0], [0, 50, 0], [0, 0, 1]]]).double())
    x2d = camera.project(x3d, pose) + torch.randn(1, 12, 2, generator=generator).double()
    inputs = [x3d, x2d, torch.full((1, 12, 2), 1.0, dtype=torch.float64)]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    pnp = EProPnP4DoF(mc_samples=40000, solver=LMSolver(num_iter=20))
    result = pnp.monte_carlo_forward(*inputs, camera, pose_init=pose, generator=seeded())
    loss = result.cost_target + result.log_weights.logsumexp(0)
    gradient = torch.autograd.grad(loss.sum(), inputs)

    delta = AdaptiveHuberCost()(inputs[1], inputs[2])
    bounds = torch.tensor([[-1e30, -1e30, 1e30, 1e30]], dtype=torch.float64)
    points = torch.cat(inputs, -1).transpose(1, 2)
    problem = make_problem(points, delta, camera.cam2img, bounds, camera.z_min)
    half_width = 7 * result.pose_cov[0].diagonal().sqrt()
    exact = target_cost(problem, pose)
    exact = exact + integrate(problem, result.pose, half_width, 22)
    expected = torch.autograd.grad(exact.sum(), inputs)
    assert loss.item() == pytest.approx(exact.item(), abs=0.02)
    for ours, reference in zip(gradient, expected):
        assert (ours - reference).norm() < 0.03 * reference.norm()


def test_effective_sample_size():
    log_weights = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, -1e3, -1e3, -1e3]])
    assert effective_sample_size(log_weights).tolist() == pytest.approx([4.0, 1.0])

import pytest
import torch

from epropnp_det.pnp import AdaptiveHuberCost, Pose4DoF
from epropnp_det.pnp.cost import huber
from epropnp_det.pnp.reference.costs import pose_costs
from epropnp_det.pnp.reference.linearization import linearize


def test_anchors_of_setup_a(setup_a):
    delta = AdaptiveHuberCost(0.5)(setup_a.x2d, setup_a.w2d)
    assert delta.item() == pytest.approx(22.156388, abs=1e-6)
    problem = setup_a.problem(delta)
    cost = pose_costs(Pose4DoF, problem, setup_a.pose[:, None])
    assert cost.item() == pytest.approx(115.5625, abs=1e-6)
    system = linearize(Pose4DoF, problem, setup_a.pose)
    assert system.cost.item() == pytest.approx(115.5625)
    diagonal = torch.tensor([2007.761967, 4517.464426, 60.828047, 2696.227951], dtype=torch.float64)
    gradient = torch.tensor([-157.618126, 247.977597, 8.891783, -20.242899], dtype=torch.float64)
    torch.testing.assert_close(system.hessian[0].diagonal(), diagonal, atol=1e-5, rtol=0)
    torch.testing.assert_close(system.gradient[0], gradient, atol=1e-6, rtol=0)


def test_huber_is_continuous_with_bounded_slope():
    distance = torch.linspace(0, 5, 1001, dtype=torch.float64, requires_grad=True)
    value = huber(distance, torch.tensor(2.0, dtype=torch.float64))
    assert value[400].item() == pytest.approx(2.0)
    assert value[-1].item() == pytest.approx(2 * 5 - 2)
    (slope,) = torch.autograd.grad(value.sum(), distance)
    torch.testing.assert_close(slope, distance.detach().clamp(max=2.0))


def test_detaching_x2d_leaves_the_weight_gradient(random_objects):
    objects = random_objects(3)
    x2d, w2d = objects.x2d.requires_grad_(), objects.w2d.requires_grad_()
    AdaptiveHuberCost(detach_x2d=True)(x2d, w2d).sum().backward()
    assert x2d.grad is None
    assert (w2d.grad > 0).all()
    AdaptiveHuberCost()(x2d, w2d).sum().backward()
    assert x2d.grad.abs().sum() > 0


def test_delta_gradient(random_objects):
    objects = random_objects(2, points=5)
    inputs = (objects.x2d.requires_grad_(), objects.w2d.requires_grad_())
    assert torch.autograd.gradcheck(AdaptiveHuberCost(), inputs)


def test_learnable_relative_delta(random_objects):
    objects = random_objects(2, dtype=torch.float32)
    cost = AdaptiveHuberCost(0.1, learnable=True)
    fixed = AdaptiveHuberCost(0.1)(objects.x2d, objects.w2d)
    delta = cost(objects.x2d, objects.w2d)
    torch.testing.assert_close(delta, fixed)
    delta.sum().backward()
    torch.testing.assert_close(cost.log_relative_delta.grad, delta.detach().sum())


def test_coincident_points_have_a_finite_gradient():
    x2d = torch.ones(1, 4, 2, requires_grad=True)
    AdaptiveHuberCost()(x2d, torch.ones(1, 4, 2)).sum().backward()
    assert torch.isfinite(x2d.grad).all()


def test_refuses_a_threshold_of_zero():
    with pytest.raises(ValueError, match='relative_delta'):
        AdaptiveHuberCost(0.0)

"""Fibonacci initialisation, per-head weights, position code."""

import pytest
import torch

from epropnp_det.models.correspondence import PointHead, SampledObjects
from epropnp_det.models.correspondence.point_head import GroupLinear, fibonacci_directions

HEADS, POINTS, DIMS = 4, 3, 8

# docs/method.md 11, setup C
FIBONACCI_8 = [
    (0.175434, -0.451218, 0.875),
    (-0.700051, 0.345404, 0.625),
    (0.890078, 0.259108, 0.375),
    (-0.515105, -0.847963, 0.125),
    (-0.192966, 0.973211, -0.125),
    (0.747186, -0.548715, -0.375),
    (-0.776059, -0.084302, -0.625),
    (0.319575, 0.363658, -0.875),
]


@pytest.fixture
def head():
    torch.manual_seed(0)
    return PointHead(HEADS, DIMS, ffn_channels=16, dropout=0.0)


def random_inputs(num=5):
    torch.manual_seed(1)
    sampled = SampledObjects(
        feature=torch.randn(num, HEADS * DIMS),
        query=torch.randn(num, HEADS, DIMS),
        value=torch.randn(num, HEADS, POINTS, DIMS),
        locations=torch.randn(num, HEADS, POINTS, 2),
        validity=torch.ones(num, HEADS, POINTS),
    )
    x2d = 500 + 40 * torch.randn(num, HEADS * POINTS, 2)
    return sampled, x2d, torch.zeros(num, dtype=torch.bool)


def test_fibonacci_anchor():
    torch.testing.assert_close(
        fibonacci_directions(8), torch.tensor(FIBONACCI_8), atol=5e-6, rtol=0
    )


def test_starts_half_way_to_the_sphere():
    head = PointHead()
    head.init_weights()
    bias = head.regressor.bias
    torch.testing.assert_close(bias[:, :3], 0.5 * torch.tensor(FIBONACCI_8), atol=5e-6, rtol=0)
    assert not bias[:, 3:].any()
    # Uniform with variance (0.01)^2 / fan_in.
    bound = 0.01 * (3 / 32) ** 0.5
    assert 0.99 * bound < head.regressor.weight.abs().max() <= bound


def test_group_linear_equals_a_loop_over_groups():
    layer = GroupLinear(HEADS, DIMS, 5)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, HEADS, POINTS, DIMS)
    looped = [
        torch.nn.functional.linear(x[:, g], layer.weight[g], layer.bias[g]) for g in range(HEADS)
    ]
    torch.testing.assert_close(layer(x), torch.stack(looped, dim=1), atol=1e-6, rtol=1e-5)


def test_position_code_ignores_shift_and_zoom(head):
    sampled, x2d, flipped = random_inputs()
    reference = head(sampled, x2d, flipped)
    moved = head(sampled, x2d * torch.tensor([3.0, 0.5]) - 700, flipped)
    torch.testing.assert_close(moved.noc, reference.noc, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(moved.weight_logits, reference.weight_logits, atol=1e-5, rtol=1e-4)


def test_spread_below_a_pixel_is_not_magnified(head):
    """The deviation is floored at 1 px: points within a thousandth of a pixel carry no code."""
    sampled, x2d, flipped = random_inputs()
    x2d = x2d - x2d.mean(1, keepdim=True)
    tight = head(sampled, 1e-4 * x2d / 40, flipped).noc
    coincident = head(sampled, torch.zeros_like(x2d), flipped).noc
    torch.testing.assert_close(tight, coincident, atol=1e-3, rtol=0)
    assert (head(sampled, x2d, flipped).noc - coincident).abs().max() > 1e-2


def test_flipped_objects_see_mirrored_points_and_give_mirrored_coordinates(head):
    sampled, x2d, flipped = random_inputs()
    plain = head(sampled, x2d, flipped)
    mirrored = head(sampled, x2d * torch.tensor([-1.0, 1.0]), ~flipped)
    torch.testing.assert_close(mirrored.noc, plain.noc * torch.tensor([1.0, 1.0, -1.0]))
    torch.testing.assert_close(mirrored.weight_logits, plain.weight_logits)


@pytest.mark.parametrize('detach', [False, True])
def test_gradient_into_the_points_is_an_option(detach):
    torch.manual_seed(0)
    head = PointHead(HEADS, DIMS, ffn_channels=16, dropout=0.0, detach_x2d=detach)
    sampled, x2d, flipped = random_inputs()
    x2d.requires_grad_()
    (gradient,) = torch.autograd.grad(
        head(sampled, x2d, flipped).noc.square().sum(), x2d, allow_unused=True
    )
    assert (gradient is None) if detach else (gradient.abs().max() > 0)


def test_coincident_points_have_finite_gradients(head):
    sampled, x2d, flipped = random_inputs()
    x2d = torch.full_like(x2d, 500.0, requires_grad=True)
    head(sampled, x2d, flipped).noc.sum().backward()
    assert x2d.grad.isfinite().all()

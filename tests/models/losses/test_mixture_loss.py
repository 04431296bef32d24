"""The mixture loss: anchors of the official code, gradients, the running normaliser."""

import math

import pytest
import torch
from mmdet3d.models.builder import build_loss
from torch.autograd import gradcheck

from epropnp_det.models.losses import MixtureNLLLoss


def close(value, expected):
    return value == pytest.approx(expected, abs=1e-6)


def test_depth_anchor():
    """docs/method.md 11 C."""
    loss = MixtureNLLLoss(huber_delta=0.3, init_sigma=0.3).double()
    error = torch.tensor([[[10.0 - 11], [12.0 - 11]]], dtype=torch.double)
    value = loss(error, torch.tensor([[0.25, 0.75]], dtype=torch.double).log())
    assert close(value.item(), -0.201870)
    assert close(loss.mean_inv_std.item(), 1.233333)


def test_coordinate_anchor():
    """docs/method.md 11 C."""
    loss = MixtureNLLLoss(huber_delta=2.0, init_sigma=0.2).double()
    error = torch.tensor([[[0.1, 0.2, -0.1], [0.5, 0, 0.4]]], dtype=torch.double)
    value = loss(error, torch.tensor([[0.4, 0.6]], dtype=torch.double).log())
    assert close(value.item(), -2.285823)
    assert close(loss.mean_inv_std.item(), 1.4)


def test_one_normal_component_is_the_normal_density():
    loss = MixtureNLLLoss().eval()
    error = torch.randn(50, 1, 2)
    log_sigma = torch.randn(50, 1, 2) * 0.5
    density = torch.distributions.Normal(torch.zeros_like(error), log_sigma.exp()).log_prob(error)
    expected = -(density.sum(-1) + math.log(2 * math.pi)).mean()
    torch.testing.assert_close(loss(error, torch.zeros(50, 1), log_sigma), expected)


@pytest.mark.parametrize('delta', [None, 0.3, 2.0])
def test_gradients(delta):
    torch.manual_seed(0)
    loss = MixtureNLLLoss(huber_delta=delta).double().eval()
    inputs = [torch.randn(5, 3, 2), torch.randn(5, 3), 0.3 * torch.randn(5, 3, 2)]
    inputs = [x.double().requires_grad_() for x in inputs]
    weight = torch.rand(5).double()
    assert gradcheck(lambda e, logits, s: loss(e, logits.log_softmax(-1), s, weight), inputs)


def test_learnable_sigma_has_the_right_gradient():
    loss = MixtureNLLLoss(huber_delta=2.0, init_sigma=0.3).double().eval()
    error, probs = torch.randn(6, 2, 3).double(), torch.randn(6, 2).double().log_softmax(-1)
    log_sigma = loss.log_sigma

    def at(value):
        loss.log_sigma = torch.nn.Parameter(value)
        return loss(error, probs).item()

    loss(error, probs).backward()
    step = 1e-6
    numeric = (at(log_sigma.data + step) - at(log_sigma.data - step)) / (2 * step)
    assert log_sigma.grad.item() == pytest.approx(numeric, rel=1e-6)


def test_perfect_prediction_has_finite_gradients():
    loss = MixtureNLLLoss(huber_delta=0.3)
    error = torch.zeros(4, 2, 2, requires_grad=True)
    log_sigma = torch.full((4, 2, 2), -30.0, requires_grad=True)
    value = loss(error, torch.zeros(4, 2), log_sigma)
    value.backward()
    assert value.isfinite() and error.grad.isfinite().all() and log_sigma.grad.isfinite().all()
    assert loss.mean_inv_std.item() == pytest.approx(0.9 + 0.1 * 1e4, rel=1e-5)


def test_huber_delta_bounds_the_pull_of_outliers():
    near, far = (torch.full((1, 1, 1), value, requires_grad=True) for value in (0.5, 1e4))
    for error in (near, far):
        MixtureNLLLoss(huber_delta=2.0).eval()(
            error, torch.zeros(1, 1), torch.zeros(1, 1, 1)
        ).backward()
    assert near.grad.item() == pytest.approx(0.5) and far.grad.item() == pytest.approx(2.0)


def test_empty_batches_leave_the_normaliser_and_keep_the_graph():
    loss = MixtureNLLLoss(init_sigma=0.1)
    value = loss(torch.zeros(0, 2, 3), torch.zeros(0, 2))
    value.backward()
    assert value == 0 and loss.mean_inv_std == 1 and loss.log_sigma.grad == 0
    value = loss(torch.zeros(7, 2, 3), torch.zeros(7, 2), weight=torch.zeros(7))
    assert value == 0 and loss.mean_inv_std == 1


def test_normaliser_counts_components_by_probability_and_elements_by_weight():
    loss = MixtureNLLLoss(momentum=1.0)
    log_sigma = torch.tensor([[[0.1, 0.1], [0.5, 0.25]], [[1e-3, 1e-3], [1e-3, 1e-3]]]).log()
    probs = torch.tensor([[0.8, 0.2], [0.5, 0.5]]).log()
    loss(torch.zeros(2, 2, 2), probs, log_sigma, weight=torch.tensor([1.0, 0.0]))
    assert loss.mean_inv_std.item() == pytest.approx(0.8 * 10 + 0.2 * 3)
    before = loss.mean_inv_std.clone()
    loss.eval()(torch.zeros(2, 2, 2), probs, log_sigma)
    assert loss.mean_inv_std == before


def test_a_diverged_step_does_not_spoil_the_normaliser():
    loss = MixtureNLLLoss()
    loss(torch.zeros(1, 1, 1), torch.zeros(1, 1), torch.full((1, 1, 1), float('nan')))
    assert loss.mean_inv_std == 1


def test_avg_factor_and_hook():
    loss = MixtureNLLLoss(loss_weight=3.0).eval()
    error, log_sigma = torch.randn(4, 2, 1), torch.zeros(4, 2, 1)
    probs = torch.randn(4, 2).log_softmax(-1)
    plain = loss(error, probs, log_sigma, avg_factor=1.0)
    torch.testing.assert_close(loss(error, probs, log_sigma), plain / 4)
    hooked = loss(error, probs, log_sigma, combine=lambda terms: terms.amax(-1))
    expected = 3 * (error.squeeze(-1).square() / 2 - probs).amin(-1).mean()
    torch.testing.assert_close(hooked, expected)


def test_registered_with_the_official_names():
    loss = build_loss(dict(type='MixtureNLLLoss', init_sigma=0.2))
    shapes = {name: list(tensor.shape) for name, tensor in loss.state_dict().items()}
    assert shapes == {'log_sigma': [1], 'mean_inv_std': []}
    assert list(MixtureNLLLoss().state_dict()) == ['mean_inv_std']


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match='either log_sigma'):
        MixtureNLLLoss()(torch.zeros(1, 1, 1), torch.zeros(1, 1))
    with pytest.raises(ValueError, match='either log_sigma'):
        MixtureNLLLoss(init_sigma=1.0)(
            torch.zeros(1, 1, 1), torch.zeros(1, 1), torch.zeros(1, 1, 1)
        )
    with pytest.raises(ValueError, match='huber_delta'):
        MixtureNLLLoss(huber_delta=0.0)
    with pytest.raises(ValueError, match='init_sigma'):
        MixtureNLLLoss(init_sigma=-1.0)

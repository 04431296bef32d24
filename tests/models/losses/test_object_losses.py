import math

import pytest
import torch

from epropnp_det.models.losses import CosineAngleLoss, distance_score


def test_distance_score_anchors():
    score = distance_score(torch.tensor([0.0, 2**-1.5, 1.0, 2**2.5, 100.0]))
    torch.testing.assert_close(score, torch.tensor([1.0, 1.0, 0.625, 0.0, 0.0]))


def test_cosine_angle_loss_is_blind_to_full_turns():
    loss = CosineAngleLoss(loss_weight=0.5)
    pred = torch.tensor([0.3, -1.0])
    assert loss(pred + 2 * math.pi, pred) == pytest.approx(0, abs=1e-6)
    assert loss(pred + math.pi, pred) == pytest.approx(1.0)


def test_cosine_angle_loss_weights_and_divisor():
    loss = CosineAngleLoss()
    pred, target = torch.tensor([math.pi, 0.0]), torch.zeros(2)
    value = loss(pred, target, weight=torch.tensor([3.0, 5.0]), avg_factor=6)
    assert value == pytest.approx(1.0)


def test_cosine_angle_loss_of_nothing_has_a_graph():
    pred = torch.zeros(0, requires_grad=True)
    loss = CosineAngleLoss()(pred, torch.zeros(0), weight=torch.zeros(0), avg_factor=48)
    loss.backward()
    assert loss == 0 and pred.grad.shape == (0,)

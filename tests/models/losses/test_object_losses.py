import math

import pytest
import torch

from epropnp_det.models.losses import CosineAngleLoss, ObjectLosses, distance_score
from epropnp_det.models.structures import Correspondences, GroundTruth, ObjectSamples
from epropnp_det.pnp import EProPnP4DoF, PerspectiveCamera


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


@pytest.mark.parametrize('detach', [False, True])
def test_where_derivative_regularisation_sends_gradient(detach):
    """docs/method.md 3.2: in v1 not into dimensions, weight scale and Huber threshold."""
    generator = torch.Generator().manual_seed(0)
    num, points = 3, 32
    double = dict(generator=generator, dtype=torch.float64)
    pose = torch.tensor([[1.0, 1, 15, 0.4], [-2, 1, 20, 2.0], [0, 1, 10, -1]], dtype=torch.float64)
    dims = torch.tensor([[4.5, 1.6, 1.9]], dtype=torch.float64).repeat(num, 1)
    noc = torch.rand(num, points, 3, **double) - 0.5
    cam2img = torch.tensor([[800.0, 0, 400], [0, 800, 300], [0, 0, 1]], dtype=torch.float64)
    camera = PerspectiveCamera(cam2img.expand(num, 3, 3))
    x2d = camera.project(noc * dims[:, None], pose) + 4 * torch.randn(num, points, 2, **double)
    leaves = dict(
        noc=noc,
        x2d=x2d,
        weights=torch.rand(num, points, 2, **double).softmax(1),
        scale=torch.full((num, 2), 8.0, dtype=torch.float64),
        dims=dims,
    )
    leaves = {name: value.clone().requires_grad_() for name, value in leaves.items()}
    pred = Correspondences(
        **leaves,
        encoded_dims=torch.zeros(num, 3),
        score_logits=torch.zeros(num),
        velocities=torch.zeros(num, 2),
        attr_logits=torch.zeros(num, 9),
    )
    gt = GroundTruth(
        bboxes=torch.zeros(num, 4),
        labels=torch.zeros(num, dtype=torch.long),
        boxes3d=torch.cat([dims, pose], 1),
        velocities=torch.zeros(num, 2),
        attributes=torch.zeros(num, dtype=torch.long),
        img_inds=torch.zeros(num, dtype=torch.long),
    )
    ones = torch.ones(num, dtype=torch.float64)
    samples = ObjectSamples(None, torch.arange(num), ones, ones)
    losses = ObjectLosses(
        loss_reg_pos=dict(type='SmoothL1Loss'),
        loss_reg_orient=dict(type='CosineAngleLoss'),
        detach_derivative=detach,
    )
    pnp = EProPnP4DoF(mc_samples=16, num_iter=4, normalize=True)
    values = losses(pnp, camera, pred, samples, gt, None, num, generator=generator)
    (values['loss_reg_pos'] + values['loss_reg_orient']).backward()
    reached = {
        name: leaf.grad is not None and bool(leaf.grad.abs().sum() > 1e-9)
        for name, leaf in leaves.items()
    }
    free = {'noc', 'x2d', 'weights'}
    assert {name for name, hit in reached.items() if hit} == (free if detach else set(leaves))
    # Scaling all weights changes nothing but the tiny damping, unless the threshold is constant.
    if detach:
        change = (leaves['weights'].grad * leaves['weights']).sum((1, 2))
        assert (change.abs() > 1e-6).any()

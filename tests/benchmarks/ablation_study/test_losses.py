"""The surrogate loss is zero for true correspondences and teaches neither weights nor 2D points."""

import torch
from ablation_study.losses import SurrogateLosses

from epropnp_det.models.structures import Correspondences, GroundTruth, ObjectSamples
from epropnp_det.pnp import EProPnP4DoF, PerspectiveCamera, RSLMSolver

NUM, POINTS = 2, 16


def scene(shift=0.0):
    generator = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[4.5, 1.7, 2.0, 1.0, 0.5, 9.0, 0.3], [4.5, 1.7, 2.0, -2.0, 0.5, 14, -2]])
    cam2img = torch.tensor([[100.0, 0, 32], [0, 100, 32], [0, 0, 1]]).expand(NUM, 3, 3)
    camera = PerspectiveCamera(cam2img)
    noc = torch.rand(NUM, POINTS, 3, generator=generator) - 0.5
    x2d = camera.project(noc * boxes[:, None, :3], boxes[:, 3:]) + shift
    pred = Correspondences(
        noc=noc.requires_grad_(),
        x2d=x2d.requires_grad_(),
        weights=torch.full((NUM, POINTS, 2), 1 / POINTS).requires_grad_(),
        scale=torch.ones(NUM, 2),
        dims=boxes[:, :3],
        encoded_dims=torch.zeros(NUM, 3),
        score_logits=torch.zeros(NUM),
        velocities=torch.zeros(NUM, 2),
        attr_logits=torch.zeros(NUM, 9),
    )
    none = torch.zeros(NUM, dtype=torch.long)
    gt = GroundTruth(torch.zeros(NUM, 4), none, boxes, torch.zeros(NUM, 2), none, none)
    samples = ObjectSamples(None, torch.arange(NUM), torch.ones(NUM), torch.ones(NUM))
    return camera, pred, samples, gt


def surrogate(camera, pred, samples, gt):
    layer = EProPnP4DoF(mc_samples=16, init_solver=RSLMSolver(8, 4))
    losses = SurrogateLosses(reprojection_weight=2.0)(
        layer, camera, pred, samples, gt, None, NUM, torch.Generator().manual_seed(0)
    )
    return losses['loss_reprojection']


def test_true_correspondences_cost_nothing():
    assert surrogate(*scene()).item() < 1e-9


def test_errors_count_in_fifths_of_the_object_at_its_distance():
    camera, pred, samples, gt = scene(shift=1.0)
    metres = gt.boxes3d[:, 5] / 100
    error = metres / (gt.boxes3d[:, :3].mean(1) * 0.2)
    huber = torch.where(error < 1, 0.5 * error**2, error - 0.5)
    expected = 2.0 * 2 * huber.mean()  # weight of the loss, two axes
    torch.testing.assert_close(surrogate(camera, pred, samples, gt), expected)


def test_only_coordinates_learn():
    camera, pred, samples, gt = scene(shift=1.0)
    surrogate(camera, pred, samples, gt).backward()
    assert pred.noc.grad.abs().sum() > 0
    assert pred.weights.grad is None and pred.x2d.grad is None

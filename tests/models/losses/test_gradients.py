"""Numerical gradient checks of every loss in float64; those of the auxiliary head are beside it.

What the method treats as constant is held fixed: the solution, the samples and their proposal
density, and running normalisers.
"""

import pytest
import torch
from torch.autograd import gradcheck

from epropnp_det.models.heads import FCOSEmbeddingHead
from epropnp_det.models.losses import ObjectLosses
from epropnp_det.models.structures import (
    Correspondences,
    DenseOutput,
    GroundTruth,
    ObjectSamples,
)
from epropnp_det.pnp import EProPnP4DoF, LMSolver, PerspectiveCamera, layer
from epropnp_det.pnp.importance_sampling import WeightedSamples, sample_costs
from epropnp_det.pnp.random_sample import InitialPose

NUM, POINTS, SAMPLES = 3, 12, 8
POSE = torch.tensor([[1.0, 1, 15, 0.4], [-2, 1, 20, 2.0], [0, 1, 10, -1]], dtype=torch.float64)
DIMS = torch.tensor([[4.5, 1.6, 1.9]], dtype=torch.float64).repeat(NUM, 1)
CAM2IMG = torch.tensor([[800.0, 0, 400], [0, 800, 300], [0, 0, 1]], dtype=torch.float64)
LOSSES = dict(
    loss_dim=dict(type='SmoothL1Loss'),
    loss_pose=dict(type='MonteCarloPoseLoss'),
    loss_score=dict(type='CrossEntropyLoss', use_sigmoid=True),
    loss_reg_pos=dict(type='SmoothL1Loss'),
    loss_reg_orient=dict(type='CosineAngleLoss'),
    loss_velo=dict(type='SmoothL1Loss'),
    loss_attr=dict(type='CrossEntropyLoss', use_sigmoid=False),
)
REACHES = dict(
    loss_dim={'encoded_dims'},
    loss_pose={'noc', 'x2d', 'weights', 'scale', 'dims'},
    loss_score={'score_logits'},
    loss_reg_pos={'noc', 'x2d', 'weights', 'scale', 'dims'},
    loss_reg_orient={'noc', 'x2d', 'weights', 'scale', 'dims'},
    loss_velo={'velocities'},
    loss_attr={'attr_logits'},
)


def tolerance(name):
    """mmdet's binary cross-entropy casts targets, and with them the loss, to float32."""
    single = name in ('loss_score', 'loss_centerness')
    precision = dict(eps=1e-2, atol=1e-3) if single else dict(eps=1e-6, atol=1e-5)
    return dict(precision, fast_mode=True, check_undefined_grad=False)


@pytest.fixture
def predictions():
    """Leaves of noisy correspondences."""
    double = dict(generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noc = torch.rand(NUM, POINTS, 3, **double) - 0.5
    camera = PerspectiveCamera(CAM2IMG.expand(NUM, 3, 3))
    x2d = camera.project(noc * DIMS[:, None], POSE) + 4 * torch.randn(NUM, POINTS, 2, **double)
    values = dict(
        noc=noc,
        x2d=x2d,
        weights=torch.rand(NUM, POINTS, 2, **double).softmax(1),
        scale=torch.full((NUM, 2), 3.0, dtype=torch.float64),
        dims=1.1 * DIMS,
        encoded_dims=torch.randn(NUM, 3, **double),
        score_logits=torch.randn(NUM, **double),
        velocities=torch.randn(NUM, 2, **double),
        attr_logits=torch.randn(NUM, 9, **double),
    )
    return camera, {name: value.clone().requires_grad_() for name, value in values.items()}


def make_pnp(monkeypatch):
    """The real layer, whose solver stays where it starts and whose samples are given."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(NUM, SAMPLES, 4, generator=generator, dtype=torch.float64)
    spread = torch.tensor([0.05, 0.05, 0.3, 0.05], dtype=torch.float64)
    poses = POSE[:, None] + noise * spread
    mixture = -0.5 * noise.square().sum(-1)  # log-density of the samples, up to a constant

    def sampled(backend, pose_type, problem, *others):
        given = others[-1].pose[:, None]
        cost = sample_costs(backend, pose_type, problem, torch.cat((poses, given), 1))
        return WeightedSamples(poses, -cost[:, :-1] - mixture, cost[:, -1])

    monkeypatch.setattr(layer, 'adaptive_importance_sampling', sampled)
    pnp = EProPnP4DoF(mc_samples=SAMPLES, num_iter=1, solver=LMSolver(num_iter=0))
    start = POSE + torch.tensor([0.1, -0.05, 0.4, 0.1], dtype=torch.float64)
    pnp.initialize = lambda *_, **__: InitialPose(start, torch.zeros(NUM, dtype=torch.float64))
    return pnp


@pytest.mark.parametrize('name', LOSSES)
def test_object_losses(name, predictions, monkeypatch):
    camera, leaves = predictions
    pnp = make_pnp(monkeypatch)
    losses = ObjectLosses(**{name: LOSSES[name]}).double().eval()
    gt = GroundTruth(
        bboxes=torch.zeros(NUM, 4),
        labels=torch.zeros(NUM, dtype=torch.long),
        boxes3d=torch.cat([DIMS, POSE], 1),
        velocities=torch.tensor([[0.3, 2], [float('nan'), 0], [-3, 1]], dtype=torch.float64),
        attributes=torch.tensor([1, 5, 8]),
        img_inds=torch.zeros(NUM, dtype=torch.long),
    )
    weights = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    samples = ObjectSamples(None, torch.arange(NUM), weights, weights.flip(0))

    def value(*tensors):
        pred = Correspondences(**dict(zip(leaves, tensors)))
        encode = torch.zeros_like
        found = losses(pnp, camera, pred, samples, gt, lambda dims, _: encode(dims), 4)
        return found[name]

    assert gradcheck(value, tuple(leaves.values()), **tolerance(name))
    grads = torch.autograd.grad(value(*leaves.values()), tuple(leaves.values()), allow_unused=True)
    reached = {n for n, grad in zip(leaves, grads) if grad is not None and grad.abs().sum() > 1e-9}
    assert reached == REACHES[name]


@pytest.mark.parametrize('name', ['loss_cls', 'loss_centerness', 'loss_center', 'loss_bbox'])
def test_dense_losses(name):
    head = FCOSEmbeddingHead(
        num_classes=2,
        in_channels=16,
        feat_channels=16,
        emb_channels=16,
        centerness_channels=16,
        strides=(8,),
        regress_ranges=((-1, 1e8),),
        dcn_on_last_conv=False,
        norm_cfg=dict(type='GN', num_groups=4),
    ).double()
    generator = torch.Generator().manual_seed(0)
    feats = [torch.randn(1, 16, 4, 6, generator=generator, dtype=torch.float64)]
    output = head.train()(feats)
    gt = GroundTruth(
        bboxes=torch.tensor([[8.0, 6, 30, 28]]),
        labels=torch.tensor([1]),
        boxes3d=torch.zeros(1, 7),
        velocities=torch.zeros(1, 2),
        attributes=torch.zeros(1, dtype=torch.long),
        img_inds=torch.zeros(1, dtype=torch.long),
    )
    targets = head.get_targets(output, gt, torch.tensor([[19.0, 17.0]]))
    assert len(targets.gt_inds) >= 4
    fields = ('cls_logits', 'centerness', 'centers', 'bboxes')
    leaves = [getattr(output, field)[0].detach().requires_grad_() for field in fields]
    assert all(leaf.dtype == torch.float64 for leaf in leaves)

    def value(*maps):
        changed = {field: [level] for field, level in zip(fields, maps)}
        return head.loss(output._replace(**changed), targets)[name]

    assert isinstance(output, DenseOutput) and value(*leaves) > 0
    assert gradcheck(value, leaves, **tolerance(name))

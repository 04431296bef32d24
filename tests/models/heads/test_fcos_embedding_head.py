"""The dense head: official numbers, shapes, initialisation, losses, empty batches."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet3d.models.builder import build_head

from epropnp_det.models.heads import fcos_embedding_head
from epropnp_det.models.heads.fcos_embedding_head import FCOSEmbeddingHead
from epropnp_det.models.structures import GroundTruth
from epropnp_det.models.targets import point_grid
from support import golden_head

SMALL = dict(
    num_classes=3,
    in_channels=16,
    feat_channels=16,
    emb_channels=12,
    centerness_channels=8,
    strides=(8, 16),
    regress_ranges=((-1, 48), (24, 1e8)),
    dcn_on_last_conv=False,
    norm_cfg=dict(type='GN', num_groups=4),
)


def small_head(seed=0, **kwargs):
    torch.manual_seed(seed)
    head = FCOSEmbeddingHead(**{**SMALL, **kwargs})
    head.init_weights()
    return head


def small_feats(seed=0, num_imgs=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(12, 20), (6, 10)]
    return [torch.randn(num_imgs, 16, *s, generator=generator, dtype=dtype) for s in sizes]


def scene(num=3, dtype=torch.float32):
    centers = torch.tensor([[30.0, 30], [90, 50], [100, 60]], dtype=dtype)[:num]
    half = torch.tensor([[15.0, 20], [30, 10], [20, 20]], dtype=dtype)[:num]
    gt = GroundTruth(
        bboxes=torch.cat([centers - half, centers + half], 1),
        labels=torch.tensor([1, 0, 2])[:num],
        boxes3d=torch.ones(num, 7),
        velocities=torch.zeros(num, 2),
        attributes=torch.zeros(num, dtype=torch.long),
        img_inds=torch.tensor([0, 1, 1])[:num],
    )
    return gt, centers + 1


@pytest.fixture(scope='module')
def golden_output(golden_dir):
    state = golden_head.golden_state(golden_head.golden_shapes(golden_dir))
    head = FCOSEmbeddingHead(num_classes=10).eval()
    prefix = 'detector.'
    head.load_state_dict(
        {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    )
    with torch.no_grad():
        return head(golden_head.golden_features())


@pytest.mark.parametrize('level', range(5))
def test_equals_the_official_head(golden_output, golden_dir, level):
    expected = np.load(golden_dir / 'head_v2.npz')
    step = 4 if level < 2 else 1
    maps = {
        'cls': golden_output.cls_logits[level],
        'centerness': golden_output.centerness[level],
        'center': golden_output.centers[level][:, :, ::step, ::step],
        'embedding': golden_output.embeddings[level][:, ::16, ::step, ::step],
    }
    for name, value in maps.items():
        np.testing.assert_allclose(value.numpy(), expected[f'{name}_{level}'], atol=1e-4, rtol=0)


def test_registered_and_small_variants():
    head = build_head(dict(type='FCOSEmbeddingHead', **SMALL))
    out = head.eval()(small_feats())
    assert [tuple(level.shape) for level in out.cls_logits] == [(2, 3, 12, 20), (2, 3, 6, 10)]
    assert out.centerness[0].shape == (2, 1, 12, 20) and out.centers[1].shape == (2, 6, 6, 10)
    assert out.embeddings[0].shape == (2, 12, 12, 20) and (out.embeddings[0] >= 0).all()
    assert out.bboxes is None and out.strides == (8, 16)
    agnostic = small_head(class_aware_center=False, with_bbox=False, stacked_convs=1)
    out = agnostic(small_feats())
    assert out.centers[0].shape == (2, 2, 12, 20) and out.bboxes is None


def test_boxes_are_for_training_or_on_request():
    head = small_head()
    assert head.train()(small_feats()).bboxes[0].shape == (2, 4, 12, 20)
    assert head.train()(small_feats(), with_bbox=False).bboxes is None
    assert head.eval()(small_feats()).bboxes is None
    assert (head.eval()(small_feats(), with_bbox=True).bboxes[0] >= 0).all()
    with pytest.raises(ValueError, match='with_bbox=True'):
        small_head(with_bbox=False)(small_feats(), with_bbox=True)


@pytest.mark.parametrize(
    'activation, value', [('relu', 1.0), ('softplus', math.log1p(math.e)), ('exp', math.e)]
)
def test_initialisation(activation, value):
    head = small_head(feat_channels=64, bbox_activation=activation)
    assert head.conv_cls.weight.std().item() == pytest.approx(0.01, rel=0.3)
    assert torch.allclose(head.conv_cls.bias.sigmoid(), torch.full((3,), 0.01))
    assert head.conv_offset.weight.std().item() == pytest.approx(0.01, rel=0.3)
    assert (head.conv_offset.bias == 0).all()
    assert (head.conv_bbox.bias == 1).all()
    assert head.cls_convs[0].conv.weight.std() > 0.03  # kaiming, not the 0.01 of the outputs
    assert head.cls_convs[0].conv.bias is None
    out = head(small_feats())
    points = point_grid(out.cls_logits, out.strides).points[:240].t().reshape(2, 12, 20)
    error = out.centers[0].unflatten(1, (3, 2)) - points
    assert error.abs().max() < 8
    assert torch.allclose(out.bboxes[0], torch.full_like(out.bboxes[0], 8 * value), atol=5)


def test_last_conv_is_deformable_with_zero_offsets():
    torch.manual_seed(0)
    head = FCOSEmbeddingHead(**{**SMALL, 'dcn_on_last_conv': True})
    head.init_weights()
    assert head.cls_convs[1].conv.conv_offset.weight.shape == (27, 16, 3, 3)
    assert (head.reg_convs[1].conv.conv_offset.weight == 0).all()
    assert not hasattr(head.cls_convs[0].conv, 'conv_offset')
    losses = head.loss(out := head(small_feats()), head.get_targets(out, *scene()))
    sum(losses.values()).backward()
    assert head.cls_convs[1].conv.conv_offset.weight.grad.abs().sum() > 0


def reference_losses(out, targets, num_classes=3):
    """docs/method.md 2.2 by plain formulas and loops."""
    flat = [torch.cat([m.flatten(2) for m in maps], 2) for maps in out[:3] + (out.bboxes,)]
    logits, centerness, centers, bboxes = (maps.transpose(1, 2) for maps in flat)  # (B, P, C)
    num_pos, total = len(targets.gt_inds), targets.centerness.sum()
    onehot = F.one_hot(targets.labels, num_classes + 1)[..., :num_classes].to(logits)
    prob = logits.sigmoid()
    focal = -onehot * 0.25 * (1 - prob) ** 2 * prob.log()
    focal = focal - (1 - onehot) * 0.75 * prob**2 * (1 - prob).log()
    result = dict.fromkeys(['loss_centerness', 'loss_center', 'loss_bbox'], 0.0)
    for i in range(num_pos):
        at = (targets.img_inds[i], targets.point_inds[i])
        target, label, box = targets.centerness[i], targets.pos_labels[i], targets.bboxes[i]
        prob = centerness[at][0].sigmoid()
        bce = -target * prob.log() - (1 - target) * (1 - prob).log()
        result['loss_centerness'] += bce / num_pos
        center = centers[at][2 * label : 2 * label + 2]
        error = ((center - targets.centers[i]) / (0.2 * (box[2:] - box[:2] + 4))).abs()
        smooth = torch.where(error < 1, error**2 / 2, error - 0.5).sum()
        result['loss_center'] += target * smooth / (2 * total)
        point, (left, top, right, bottom) = targets.points[i], bboxes[at]
        pred = torch.stack([point[0] - left, point[1] - top, point[0] + right, point[1] + bottom])
        result['loss_bbox'] += 0.5 * target * (1 - giou(pred, box)) / total
    return {'loss_cls': focal.sum() / num_pos, **result}


def giou(a, b):
    inter = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inter
    hull = (torch.maximum(a[2:], b[2:]) - torch.minimum(a[:2], b[:2])).prod()
    return inter / union - (hull - union) / hull


def test_losses_equal_the_formulas():
    head = small_head(bbox_inside_only=False)
    torch.nn.init.normal_(head.conv_cls.weight, std=0.5)
    torch.nn.init.normal_(head.conv_offset.weight, std=0.5)
    out = head(small_feats())
    targets = head.get_targets(out, *scene())
    assert len(targets.gt_inds) > 10 and set(targets.gt_inds.tolist()) == {0, 1, 2}
    losses = head.loss(out, targets)
    expected = reference_losses(out, targets)
    assert losses.keys() == expected.keys()
    for name, value in losses.items():
        assert value.item() == pytest.approx(expected[name].item(), rel=1e-4), name


def test_losses_train_every_parameter():
    head = small_head()
    out = head(small_feats())
    sum(head.loss(out, head.get_targets(out, *scene())).values()).backward()
    # an embedding is trained by the heads behind it
    missing = [
        name
        for name, value in head.named_parameters()
        if 'conv_emb' not in name and (value.grad is None or not value.grad.abs().sum() > 0)
    ]
    assert not missing


def test_no_objects_give_zero_losses_with_a_graph():
    head = small_head()
    out = head(small_feats())
    losses = head.loss(out, head.get_targets(out, *scene(0)))
    for name in ('loss_centerness', 'loss_center', 'loss_bbox'):
        assert losses[name].item() == 0 and losses[name].requires_grad
    assert losses['loss_cls'] > 0
    sum(losses.values()).backward()
    for name, value in head.named_parameters():
        if 'conv_emb' not in name:
            assert value.grad is not None and torch.isfinite(value.grad).all(), name


def test_perfect_centre_and_box_cost_nothing():
    head = small_head()
    out = head(small_feats())
    gt, centers = scene(1)
    targets = head.get_targets(out, gt, centers)
    grid = point_grid(out.cls_logits, out.strides)
    split = [240, 60]
    boxes = torch.cat([grid.points - gt.bboxes[0, :2], gt.bboxes[0, 2:] - grid.points], 1)
    perfect = out._replace(
        centers=[
            centers[0].repeat(3)[None, :, None, None].expand_as(level) for level in out.centers
        ],
        bboxes=[
            part.t().reshape(1, 4, *level.shape[-2:]).expand(2, -1, -1, -1)
            for part, level in zip(boxes.split(split), out.bboxes)
        ],
    )
    losses = head.loss(perfect, targets)
    assert losses['loss_center'].item() == 0
    assert losses['loss_bbox'].item() == pytest.approx(0, abs=1e-5)


def test_ignored_regions_are_left_out_unless_switched_off():
    boxes, img_inds = torch.tensor([[0.0, 0, 160, 96]]), torch.tensor([1])
    gt, centers = scene(1)  # all objects in image 0
    head = small_head()
    out = head(small_feats())
    plain = head.get_targets(out, gt, centers)
    ignoring = head.get_targets(out, gt, centers, boxes, img_inds)
    assert (plain.cls_weights == 1).all()
    assert (ignoring.cls_weights[1] == 0).all() and (ignoring.cls_weights[0] == 1).all()
    logits = [level.detach().requires_grad_() for level in out.cls_logits]
    head.loss(out._replace(cls_logits=logits), ignoring)['loss_cls'].backward()
    assert (logits[0].grad[1] == 0).all() and (logits[0].grad[0] != 0).any()
    head = small_head(ignore_regions=False)
    assert (head.get_targets(out, gt, centers, boxes, img_inds).cls_weights == 1).all()


def test_points_outside_their_box_can_be_left_out_of_the_box_loss():
    head = small_head(bbox_inside_only=True)
    out = head(small_feats())
    gt, centers = scene(1)
    gt = gt._replace(bboxes=torch.tensor([[21.0, 21, 29, 29]]))
    targets = head.get_targets(out, gt, centers)
    boxes = [level.detach().requires_grad_() for level in out.bboxes]
    head.loss(out._replace(bboxes=boxes), targets)['loss_bbox'].backward()
    grad = torch.cat([level.grad.flatten(2) for level in boxes], 2).abs().sum(1)  # (B, P)
    inside = ((targets.points >= 21) & (targets.points <= 29)).all(1)
    trained = grad[targets.img_inds, targets.point_inds] > 0
    assert inside.any() and not inside.all() and torch.equal(trained, inside)


def test_wrong_input_raises():
    with pytest.raises(ValueError, match='num_outs'):
        small_head()(small_feats()[:1])
    with pytest.raises(ValueError, match='regress_ranges'):
        small_head(strides=(8, 16, 32))
    with pytest.raises(ValueError, match='bbox_activation'):
        small_head(bbox_activation='tanh')


def test_normalisers_are_averaged_over_ranks(monkeypatch):
    """Ranks that hold twice as many positives on average halve this rank's losses."""
    head = small_head()
    out = head(small_feats())
    targets = head.get_targets(out, *scene())
    alone = head.loss(out, targets)
    monkeypatch.setattr(fcos_embedding_head, 'reduce_mean', lambda value: 2 * value)
    for name, value in head.loss(out, targets).items():
        assert value.item() == pytest.approx(alone[name].item() / 2, rel=1e-5), name

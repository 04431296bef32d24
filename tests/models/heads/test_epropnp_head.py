"""The joined head and detector: every loss and gradient, empty input, reproducible detections."""

import copy

import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.core import CameraInstance3DBoxes
from mmdet3d.models import build_model

from epropnp_det.boxes.tensors import projected_bounds
from epropnp_det.models.auxiliary import sight_heading
from epropnp_det.models.structures import GroundTruth, ImageGeometry

LOSSES = {
    'loss_cls',
    'loss_centerness',
    'loss_center',
    'loss_bbox',
    'loss_dim',
    'loss_pose',
    'loss_score',
    'loss_reg_pos',
    'loss_reg_orient',
    'loss_velo',
    'loss_attr',
}
WIDTH, HEIGHT = 192, 96
CAM2IMG = np.array([[150.0, 0, 96], [0, 150, 48], [0, 0, 1]])
MIRROR = np.array([[-1.0, 0, WIDTH], [0, 1, 0], [0, 0, 1]])
BOXES3D = torch.tensor(
    [  # x, y, z, l, h, w, yaw, vx, vz
        [1.0, 0.5, 10.0, 4.6, 1.7, 1.9, 0.3, 0.0, 1.0],
        [-3.0, 0.5, 12.0, 0.7, 1.8, 0.7, -2.0, 0.0, float('nan')],
    ]
)
BBOXES = torch.tensor([[80.0, 42, 145, 72], [50.0, 44, 68, 66]])
LABELS = torch.tensor([0, 7])


@pytest.fixture(scope='module')
def config(repository):
    path = repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py'
    cfg = Config.fromfile(str(path)).model
    cfg.backbone.base_channels = 16
    cfg.neck.in_channels = [32, 64, 128]
    return cfg


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    model = build_model(config)
    model.init_weights()
    return model


def make_batch(num_objects=2, flips=(False, True)):
    meta = dict(cam2img=CAM2IMG, ori_shape=(HEIGHT, WIDTH, 3), img_shape=(HEIGHT, WIDTH, 3))
    metas = [dict(meta, img2net=MIRROR if flip else np.eye(3)) for flip in flips]
    bboxes = [
        (torch.stack([WIDTH - BBOXES[:, 2], BBOXES[:, 1], WIDTH - BBOXES[:, 0], BBOXES[:, 3]], 1))
        if flip
        else BBOXES
        for flip in flips
    ]
    boxes = CameraInstance3DBoxes(BOXES3D, box_dim=9, origin=(0.5, 0.5, 0.5))
    generator = torch.Generator().manual_seed(0)
    return dict(
        img=torch.randn(len(flips), 3, HEIGHT, WIDTH, generator=generator),
        img_metas=metas,
        gt_bboxes=[b[:num_objects] for b in bboxes],
        gt_labels=[LABELS[:num_objects] for _ in flips],
        gt_bboxes_3d=[boxes[:num_objects] for _ in flips],
        gt_labels_3d=[LABELS[:num_objects] for _ in flips],
        centers2d=None,
        depths=None,
        attr_labels=[torch.tensor([5, 2])[:num_objects] for _ in flips],
    )


def total(losses):
    return sum(value for name, value in losses.items() if 'loss' in name)


def test_all_losses_are_finite_and_reach_every_parameter(model):
    model.train()
    losses = model(return_loss=True, **make_batch())
    assert LOSSES.issubset(losses)
    assert all(torch.isfinite(value).all() for value in losses.values())
    total(losses).backward()
    # Two objects do not occupy the coarsest level, but its towers are shared.
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert silent == []


def test_half_precision_ends_before_pixels_and_metres(model, monkeypatch):
    """Under bfloat16 autocast: dense losses close to those of float32, PnP on float32 alone."""
    model.train()
    solve, seen = model.bbox_head.pnp.initialize, []

    def watched(*points, **kwargs):
        seen.extend(points[:3])
        return solve(*points, **kwargs)

    monkeypatch.setattr(model.bbox_head.pnp, 'initialize', watched)
    torch.manual_seed(1)
    full = model(return_loss=True, **make_batch())
    torch.manual_seed(1)
    with torch.autocast('cpu', torch.bfloat16):
        half = model(return_loss=True, **make_batch())
    assert len(seen) == 6 and all(points.dtype == torch.float32 for points in seen)
    assert any(half[name] != full[name] for name in LOSSES)
    for name in ('loss_cls', 'loss_centerness', 'loss_center', 'loss_bbox', 'loss_dim'):
        torch.testing.assert_close(half[name].float(), full[name], rtol=0.05, atol=0.02)
    for name in LOSSES:
        assert half[name].isfinite() and half[name].dtype == torch.float32
    total(half).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_images_without_objects_have_a_loss_with_graph(model):
    model.train()
    losses = model(return_loss=True, **make_batch(num_objects=0))
    assert LOSSES.issubset(losses)
    total(losses).backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grads)
    assert losses['loss_pose'] == 0 and losses['mean_distance'] == 0
    # Nothing to learn from (docs/differences.md W13).
    assert model.bbox_head.losses.loss_pose.norm_factor == 1


def test_nan_ground_truth_harms_nobody(model):
    model.train()
    batch = make_batch()
    broken = batch['gt_bboxes_3d'][0].tensor.clone()
    broken[0, 2] = float('nan')
    batch['gt_bboxes_3d'][0] = CameraInstance3DBoxes(broken, box_dim=9)
    losses = model(return_loss=True, **batch)
    total(losses).backward()
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_objects_that_the_network_cannot_see_are_left_out(model):
    head = model.bbox_head
    metas = make_batch()['img_metas']
    geometry = ImageGeometry.from_metas(metas)
    behind = torch.tensor([[4.0, 1.5, 1.8, 0.0, 0.0, -20.0, 0.0]])
    seen = torch.tensor([[4.6, 1.7, 1.9, 1.0, 0.5, 10.0, 0.3]])
    gt = GroundTruth(
        bboxes=torch.tensor([[0.0, 0, 50, 50], [80.0, 42, 145, 72], [80.0, 42, 83, 72]]),
        labels=torch.zeros(3, dtype=torch.long),
        boxes3d=torch.cat((behind, seen, seen)),
        velocities=torch.zeros(3, 2),
        attributes=torch.zeros(3, dtype=torch.long),
        img_inds=torch.zeros(3, dtype=torch.long),
    )
    kept, centers = head._visible(gt, geometry)
    assert len(kept.labels) == 1 and kept.bboxes[0, 2] == 145
    assert (centers > BBOXES[0, :2]).all() and (centers < BBOXES[0, 2:]).all()


def test_detections_are_reproducible_and_complete(model):
    model.eval()
    model.bbox_head.test_cfg = dict(score_thr=0.0, max_per_img=20)
    batch = make_batch()
    with torch.no_grad():
        first, second = (
            model(return_loss=False, img=[batch['img']], img_metas=[batch['img_metas']])
            for _ in range(2)
        )
    assert len(first) == 2
    for one, two in zip(first, second):
        boxes = one['img_bbox']['boxes_3d']
        assert boxes.tensor.shape[1] == 9 and 0 < len(boxes) <= 20
        assert torch.equal(boxes.tensor, two['img_bbox']['boxes_3d'].tensor)
        scores = one['img_bbox']['scores_3d']
        assert (scores[:-1] >= scores[1:]).all() and ((scores >= 0) & (scores <= 1)).all()
        assert len(one['img_bbox']['attrs_3d']) == len(scores)
        assert sum(len(rows) for rows in one['img_bbox2d']) == len(scores)


def test_attributes_are_legal_for_the_class(model, config):
    model.eval()
    model.bbox_head.test_cfg = dict(score_thr=0.0, max_per_img=60)
    batch = make_batch()
    with torch.no_grad():
        found = model.bbox_head.simple_test(model.extract_feat(batch['img']), batch['img_metas'])
    allowed = config.bbox_head.class_attributes
    assert all(
        int(attribute) in allowed[int(label)]
        for attribute, label in zip(found.attributes, found.labels)
    )


@pytest.mark.parametrize('front_only', [False, True])
def test_the_direct_answer_for_the_heading_may_join_the_solver(config, front_only):
    """At a weight that leaves nothing of the solver's front, objects look where the branch says.

    They look exactly there, or as nearly as the solver's own line allows.
    """
    cfg = copy.deepcopy(config)
    cfg.bbox_head.heading = dict(type='HeadingBranch', loss=dict(type='SmoothL1Loss'))
    cfg.test_cfg = dict(score_thr=0.0, max_per_img=20, heading_front_only=front_only)
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    torch.nn.init.zeros_(model.bbox_head.heading.branch.weight)
    model.bbox_head.heading.branch.bias.data = torch.tensor([0.6, 0.8])
    batch = make_batch()
    found = []
    for weight in (0.0, 1e6):
        model.bbox_head.test_cfg['heading_weight'] = weight
        with torch.no_grad():
            feats = model.extract_feat(batch['img'])
            found.append(model.bbox_head.simple_test(feats, batch['img_metas']))
    assert set(found[1].img_inds.tolist()) == {0, 1}
    sides = torch.tensor([0.6, -0.6])[found[1].img_inds]  # the second image is mirrored
    said = torch.stack([sides, torch.full_like(sides, 0.8)], dim=1)
    # What is suppressed depends on the yaw, but positions stay and tell who is who.
    places = [one.boxes3d[:, None, 3:6] for one in found]
    first, second = (places[0] == places[1].transpose(0, 1)).all(2).nonzero().unbind(1)
    alone, joined = (sight_heading(one.boxes3d[:, 3:]) for one in found)
    alone, joined, said = alone[first], joined[second], said[second]
    ahead = (alone * said).sum(1, keepdim=True)
    assert (ahead < 0).any() and (ahead > 0).any()
    expected = alone * ahead.sign() if front_only else said
    torch.testing.assert_close(joined, expected, atol=1e-4, rtol=0)
    assert (joined - alone).abs().amax() > 0.1


@pytest.mark.parametrize(
    'test_cfg, message',
    [(dict(heading_weight=1.0), 'bbox_head.heading'), (dict(ground=dict(hight=1)), 'hight')],
)
def test_options_that_cannot_be_are_refused_early(config, test_cfg, message):
    cfg = copy.deepcopy(config)
    cfg.test_cfg = test_cfg
    with pytest.raises(ValueError, match=message):
        build_model(cfg)


def test_no_candidate_gives_empty_results(model):
    model.eval()
    model.bbox_head.test_cfg = dict(score_thr=2.0)
    batch = make_batch()
    with torch.no_grad():
        results = model(return_loss=False, img=[batch['img']], img_metas=[batch['img_metas']])
    assert [len(result['img_bbox']['boxes_3d']) for result in results] == [0, 0]


def test_missing_meta_names_the_cure(model):
    batch = make_batch()
    del batch['img_metas'][0]['img2net']
    with pytest.raises(KeyError, match='img2net.*Mono3D'):
        model(return_loss=True, **batch)


def test_correspondences_may_be_finer_than_the_detector(config):
    """v1: the pyramid starts at stride 4, objects are found from stride 8 on (docs/method.md
    2.1)."""
    cfg = copy.deepcopy(config)
    cfg.backbone.out_indices = (0, 1, 2, 3)
    cfg.neck.update(in_channels=[16, 32, 64, 128], num_outs=4)
    cfg.bbox_head.correspondence.update(
        stride=4, num_levels=4, x2d_source='sampled', pixel_center=0.0
    )
    cfg.bbox_head.camera.pixel_center = 0.0
    torch.manual_seed(0)
    model = build_model(cfg)
    model.init_weights()
    model.train()
    losses = model(return_loss=True, **make_batch())
    total(losses).backward()
    assert all(torch.isfinite(value).all() for value in losses.values())
    silent = [
        n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert silent == []


def test_volume_centers_follow_the_pixel_convention(model):
    """In the network image, v1's rays lie half an original pixel right and down of v2's."""
    head = model.bbox_head
    geometry = ImageGeometry.from_metas(make_batch()['img_metas'])
    gt = GroundTruth(
        bboxes=torch.tensor([[80.0, 42, 145, 72]]).repeat(2, 1),
        labels=torch.zeros(2, dtype=torch.long),
        boxes3d=torch.tensor([[4.6, 1.7, 1.9, 1.0, 0.5, 10.0, 0.3]]).repeat(2, 1),
        velocities=torch.zeros(2, 2),
        attributes=torch.zeros(2, dtype=torch.long),
        img_inds=torch.arange(2),
    )
    _, edges = head._visible(gt, geometry)
    head.pixel_center = 0.0
    _, integers = head._visible(gt, geometry)
    expected = edges + torch.tensor([[0.5, 0.5], [-0.5, 0.5]])  # image 1 is mirrored
    torch.testing.assert_close(integers, expected, atol=0.02, rtol=0)


@torch.no_grad()
def test_2d_boxes_of_detections_follow_the_pixel_convention(config):
    """Edge based in every version: around what the network saw, as mmdet counts pixels."""
    for center in (0.0, 0.5):
        cfg = copy.deepcopy(config)
        cfg.bbox_head.camera.pixel_center = cfg.bbox_head.correspondence.pixel_center = center
        torch.manual_seed(0)
        model = build_model(cfg).eval()
        model.init_weights()
        model.bbox_head.detector.conv_cls.bias.fill_(-1.0)
        model.bbox_head.test_cfg = dict(score_thr=0.05, max_per_img=20)
        batch = make_batch(flips=(False,))
        found = model.bbox_head.simple_test(model.extract_feat(batch['img']), batch['img_metas'])
        assert len(found.boxes3d) > 0
        num, size = len(found.boxes3d), torch.tensor([[float(WIDTH), HEIGHT]])
        matrix = torch.tensor(CAM2IMG, dtype=torch.float32).expand(num, 3, 3)
        in_camera_pixels, _ = projected_bounds(found.boxes3d, matrix, 0.1)
        expected = (in_camera_pixels + 0.5 - center).clamp(min=0).minimum(size.repeat(1, 2))
        torch.testing.assert_close(found.bboxes, expected)


def test_conventions_that_disagree_are_refused(config):
    cfg = copy.deepcopy(config)
    cfg.bbox_head.camera.pixel_center = 0.0
    with pytest.raises(ValueError, match='same pixel_center'):
        build_model(cfg)
    cfg = copy.deepcopy(config)
    cfg.bbox_head.correspondence.stride = 16
    with pytest.raises(ValueError, match='no level of stride 8'):
        build_model(cfg)

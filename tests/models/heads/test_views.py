"""Mirrored views: the head alone, the flip test, and the stock test pipeline."""

import copy

import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.parallel import collate, scatter
from mmdet3d.core.bbox import get_box_type
from mmdet3d.datasets.pipelines import Compose
from mmdet3d.models import build_model

from epropnp_det.models.heads import mirrored_head

WIDTH, HEIGHT = 192, 96
CAM2IMG = np.array([[150.0, 0, 100], [0, 150, 48], [0, 0, 1]])
MIRROR = np.array([[-1.0, 0, WIDTH], [0, 1, 0], [0, 0, 1]])
STRIDES = (8, 16, 32)


@pytest.fixture(scope='module')
def config(repository):
    path = repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py'
    cfg = Config.fromfile(str(path))
    cfg.model.backbone.base_channels = 16
    cfg.model.neck.in_channels = [32, 64, 128]
    # The published values, whatever suits the demo's small images.
    cfg.model.bbox_head.camera.border = 200.0
    cfg.model.bbox_head.correspondence.initial_scale = 1.0
    return cfg


@pytest.fixture
def model(config):
    """A detector with random weights whose candidates spread over scores and classes."""
    torch.manual_seed(0)
    model = build_model(copy.deepcopy(config.model)).eval()
    model.init_weights()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.bbox_head.parameters():
            if parameter.dim() > 1:
                std = 0.5 * parameter[0].numel() ** -0.5
                parameter.add_(std * torch.randn(parameter.shape, generator=generator))
        model.bbox_head.detector.conv_cls.bias.fill_(-2.0)
    model.bbox_head.test_cfg = dict(score_thr=0.05, max_per_img=12, fast_mode=False)
    return model


def make_metas(flip):
    shape = (HEIGHT, WIDTH, 3)
    meta = dict(cam2img=CAM2IMG, ori_shape=shape, img_shape=shape)
    return [dict(meta, img2net=MIRROR if flip else np.eye(3))]


def make_features(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 64, HEIGHT // s, WIDTH // s, generator=generator) for s in STRIDES]


@torch.no_grad()
@pytest.mark.parametrize('official', [False, True], ids=['v2', 'v1b conventions, deformable'])
def test_a_mirrored_network_finds_the_same_in_the_mirror(model, config, official):
    """One view: mirrored weights, features and matrix give the same objects in original pixels."""
    head = model.bbox_head
    if official:
        cfg = copy.deepcopy(config.model)
        cfg.bbox_head.detector.dcn_on_last_conv = True
        cfg.bbox_head.camera.pixel_center = cfg.bbox_head.correspondence.pixel_center = 0.0
        cfg.bbox_head.correspondence.x2d_source = 'sampled'
        deformable = build_model(cfg).eval().bbox_head
        deformable.load_state_dict(head.state_dict(), strict=False)
        for name, parameter in deformable.detector.named_parameters():
            if 'conv.conv_offset' in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(2))
        deformable.test_cfg, head = head.test_cfg, deformable
    feats = make_features()
    mirrored_feats = [feat.flip(-1) for feat in feats]
    ours = head.aug_test([feats], [make_metas(flip=False)])
    theirs = mirrored_head(head).aug_test([mirrored_feats], [make_metas(flip=True)])
    assert len(ours.labels) > 5 and torch.equal(ours.labels, theirs.labels)
    assert ours.velocities[:, 0].abs().mean() > 0.01
    for name in ('scores', 'velocities', 'cls_scores'):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.boxes3d, theirs.boxes3d, atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(ours.bboxes, theirs.bboxes, atol=0.5, rtol=0)
    # Not because nothing would matter: the plain head finds something else in the mirror.
    wrong = head.aug_test([mirrored_feats], [make_metas(flip=True)])
    assert wrong.boxes3d.shape != ours.boxes3d.shape or not torch.allclose(
        wrong.boxes3d, ours.boxes3d, atol=0.1
    )


@torch.no_grad()
def test_flip_test_of_the_mirrored_image_is_the_same(model, monkeypatch):
    """Any network: the views of an image and of its mirror image are the same two.

    Compared is what reaches the solver, since random weights leave poses with several optima.
    """
    head = model.bbox_head
    one, two = make_features(seed=0), make_features(seed=1)
    plain, mirrored = make_metas(False), make_metas(True)
    solved, solve = [], head.pnp_test.forward

    def record(x3d, x2d, w2d, *args, **kwargs):
        solved.append((x3d, x2d, w2d))
        return solve(x3d, x2d, w2d, *args, **kwargs)

    monkeypatch.setattr(head.pnp_test, 'forward', record)
    head.aug_test([one, two], [plain, mirrored])
    head.aug_test([two, one], [mirrored, plain])
    first, second = solved
    assert first[0].shape[0] == 12
    for name, ours, theirs, tolerance in zip(
        ('x3d', 'x2d', 'w2d'), first, second, (1e-4, 1e-2, 1e-5)
    ):
        swapped = theirs.roll(theirs.shape[1] // 2, dims=1)  # the other view comes first
        assert not torch.allclose(ours, theirs, atol=tolerance), name
        torch.testing.assert_close(ours, swapped, atol=tolerance, rtol=1e-4)


@torch.no_grad()
def test_the_stock_pipeline_gives_both_views_to_the_detector(model, config):
    """MultiScaleFlipAug(flip=True) through collate, for a batch of two images."""
    steps = copy.deepcopy(config.data.test.pipeline)
    steps[1].flip = True
    pipeline = Compose(steps)
    box_type, box_mode = get_box_type('Camera')
    rng = np.random.default_rng(0)
    data = [
        pipeline(
            dict(
                img_info=dict(
                    img=rng.integers(0, 255, (216, 384, 3), dtype=np.uint8),
                    cam_intrinsic=[[300.0, 0, 192], [0, 300, 108], [0, 0, 1]],
                ),
                box_type_3d=box_type,
                box_mode_3d=box_mode,
                bbox3d_fields=[],
            )
        )
        for _ in range(2)
    ]
    batch = scatter(collate(data, samples_per_gpu=2), [-1])[0]
    assert [meta[0]['flip'] for meta in batch['img_metas']] == [False, True]
    results = model(return_loss=False, rescale=True, **batch)
    assert len(results) == 2
    for result in results:
        found = result['img_bbox']
        assert len(found['boxes_3d']) == len(found['pose_cov_3d']) > 0
        assert torch.isfinite(found['boxes_3d'].tensor).all()


def test_other_augmentations_are_refused(model):
    img = torch.zeros(1, 3, HEIGHT, WIDTH)
    shifted = copy.deepcopy(make_metas(False))
    shifted[0]['img2net'] = np.array([[1.0, 0, 7], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match='neither the first view nor its mirror image'):
        model(return_loss=False, img=[img, img], img_metas=[make_metas(False), shifted])


@torch.no_grad()
def test_posterior_on_request(model):
    model.bbox_head.test_cfg.update(with_samples=True)
    img = torch.randn(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    found = model(return_loss=False, img=[img], img_metas=[make_metas(False)])[0]['img_bbox']
    num = len(found['scores_3d'])
    samples = model.bbox_head.pnp_test.mc_samples
    assert num > 0 and found['samples_3d'].shape == (num, samples, 4)
    assert found['log_weights_3d'].shape == (num, samples) and found['ess_3d'].shape == (num,)
    assert ((found['ess_3d'] >= 1) & (found['ess_3d'] <= samples)).all()
    model.bbox_head.test_cfg.update(with_samples=False)
    plain = model(return_loss=False, img=[img], img_metas=[make_metas(False)])[0]['img_bbox']
    assert 'samples_3d' not in plain and plain['pose_cov_3d'].shape[1:] == (4, 4)

"""One training step with every loss, from the real keyframe's files to the gradients."""

import json
import logging

import pytest
import torch
from mmcv import Config
from mmcv.parallel import collate, scatter
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

AUXILIARY = {'loss_proj', 'loss_regr', 'loss_depth'}


def shrunk_and_mirrored(pipeline):
    steps = []
    for step in pipeline:
        steps.append(dict(step, flip_ratio=1.0) if step['type'] == 'FlipMono3D' else step)
        if step['type'] == 'CropMono3D':
            steps.append(dict(type='ResizeMono3D', scale=0.25))
    return steps


@pytest.fixture(scope='module')
def config(repository):
    folder = repository / 'configs'
    cfg = Config.fromfile(str(folder / '_base_/models/epropnp_det_small.py'))
    v2 = Config.fromfile(str(folder / '_base_/models/epropnp_det_v2.py'))
    cfg.model.bbox_head.auxiliary = v2.model.bbox_head.auxiliary
    cfg.model.backbone.base_channels = 16
    cfg.model.neck.in_channels = [32, 64, 128]
    cfg.data = Config.fromfile(str(folder / '_base_/datasets/nuscenes_mono3d.py')).data.train
    return cfg


@pytest.fixture
def make_batch(config, keyframe_root, tmp_path):
    """Two images of the keyframe at quarter size, through the pipeline of the base config."""

    def make(with_lidar=True):
        content = json.loads((keyframe_root / 'nuscenes_infos_mono3d.coco.json').read_text())
        for image in content['images']:
            if not with_lidar:
                del image['lidar_path'], image['lidar2cam']
        path = tmp_path / f'infos_{with_lidar}.json'
        path.write_text(json.dumps(content))
        root = str(keyframe_root)
        dataset = build_dataset(
            dict(
                config.data,
                ann_file=str(path),
                data_root=root,
                img_prefix=root,
                pipeline=shrunk_and_mirrored(config.data.pipeline),
            )
        )
        items = collate([dataset[index] for index in (0, 1)], samples_per_gpu=2)
        return scatter(items, [-1])[0]

    return make


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    logging.getLogger('mmcv').setLevel(logging.ERROR)
    model = build_model(config.model)
    model.init_weights()
    return model.train()


def backward(losses):
    sum(value for name, value in losses.items() if 'loss' in name).backward()


def test_every_loss_and_every_parameter(model, make_batch):
    losses = model(return_loss=True, **make_batch())
    assert AUXILIARY.issubset(losses)
    assert all(value.isfinite().all() for value in losses.values())
    assert all(losses[name] != 0 for name in AUXILIARY)
    assert losses['loss_depth'] < 1e3  # metres over a sigma of 0.3
    backward(losses)
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_the_branch_teaches_the_shared_maps(model, make_batch):
    losses = model(return_loss=True, **make_batch())
    encoder = model.bbox_head.correspondence.encoder
    sampler = model.bbox_head.correspondence.sampler
    for name, modules in {
        'loss_proj': (encoder.key_proj, encoder.value_proj, sampler.query_proj),
        'loss_regr': (encoder.key_proj, encoder.value_proj, sampler.query_proj),
        'loss_depth': (encoder.value_proj,),
    }.items():
        for module in modules:
            (grad,) = torch.autograd.grad(losses[name], module.weight, retain_graph=True)
            assert grad.isfinite().all() and grad.any(), name


def test_stock_annotation_files_have_no_lidar(model, make_batch):
    losses = model(return_loss=True, **make_batch(with_lidar=False))
    assert losses['loss_regr'] == 0 and losses['loss_depth'] == 0 and losses['loss_proj'] != 0
    backward(losses)
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    assert not grads['bbox_head.auxiliary.depth_branch.layers.0.weight'].any()


def test_other_losses_do_not_change(model, make_batch):
    """The auxiliary branch adds losses and touches none."""
    batch = make_batch()
    found = []
    for auxiliary in (model.bbox_head.auxiliary, None):
        model.bbox_head.auxiliary = auxiliary
        torch.manual_seed(3)
        found.append(model(return_loss=True, **batch))
        model.bbox_head.losses.loss_pose.norm_factor.fill_(1.0)
    with_branch, without = found
    assert set(with_branch) - set(without) == AUXILIARY
    assert all(torch.equal(with_branch[name], value) for name, value in without.items())


def test_test_time_ignores_the_branch(model, make_batch):
    batch = make_batch()
    model.eval()
    model.bbox_head.test_cfg = dict(score_thr=0.0, max_per_img=5)
    with torch.no_grad():
        one = model(return_loss=False, img=[batch['img']], img_metas=[batch['img_metas']])
        model.bbox_head.auxiliary = None
        two = model(return_loss=False, img=[batch['img']], img_metas=[batch['img_metas']])
    for a, b in zip(one, two):
        assert torch.equal(a['img_bbox']['boxes_3d'].tensor, b['img_bbox']['boxes_3d'].tensor)

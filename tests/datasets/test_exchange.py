"""Stock FCOS3D trains on our converter's file, and our detector on that of mmdet3d's."""

import json
import math
from pathlib import Path

import mmdet3d
import pytest
import torch
from mmcv import Config
from mmcv.parallel import collate, scatter
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

from epropnp_det.apis import load_config

TRAIN = 'nuscenes_infos_train_mono3d.coco.json'
FCOS3D = '.mim/configs/fcos3d/fcos3d_r101_caffe_fpn_gn-head_dcn_2x8_1x_nus-mono3d.py'


@pytest.fixture
def stock_fcos3d():
    """mmdet3d's config with a small backbone, narrow heads, and no deformable convolutions."""
    path = Path(mmdet3d.__file__).parent / FCOS3D
    if not path.is_file():
        pytest.skip(f'this mmdet3d ships no {path}')
    cfg = Config.fromfile(str(path))
    backbone = dict(type='ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3))
    cfg.model.backbone = backbone
    cfg.model.neck.update(in_channels=[64, 128, 256, 512], out_channels=32)
    cfg.model.bbox_head.update(
        in_channels=32, feat_channels=32, stacked_convs=1, dcn_on_last_conv=False
    )
    for branch in ('cls_branch', 'dir_branch', 'attr_branch'):
        cfg.model.bbox_head[branch] = (32,)
    cfg.model.bbox_head.reg_branch = ((32,),) * 5
    resize = next(step for step in cfg.data.train.pipeline if step['type'] == 'Resize')
    resize['img_scale'] = (400, 225)
    return cfg


def training_step(cfg, root):
    """Losses of a batch of two images, back to the parameters."""
    train = {'data_root': str(root), 'img_prefix': str(root), 'ann_file': str(root / TRAIN)}
    dataset = build_dataset({**cfg.data.train, **train})
    batch = scatter(collate([dataset[0], dataset[3]], samples_per_gpu=2), [-1])[0]
    assert sum(map(len, batch['gt_bboxes_3d'])) > 5
    torch.manual_seed(0)
    model = build_model(cfg.model).train()
    outputs = model.train_step(batch, None)
    outputs['loss'].backward()
    gradients = [p.grad for p in model.bbox_head.parameters() if p.grad is not None]
    assert torch.isfinite(outputs['loss']) and outputs['loss'] > 0
    assert len(gradients) > 20 and all(torch.isfinite(g).all() for g in gradients)
    return type(dataset).__name__, outputs['log_vars']


def test_fcos3d_trains_on_our_file(stock_fcos3d, prepared_root):
    name, losses = training_step(stock_fcos3d, prepared_root)
    assert name == 'NuScenesMonoDataset' and min(losses['loss_depth'], losses['loss_velo']) > 0


def test_our_detector_trains_on_the_stock_file(stock_root, repository):
    path = repository / 'configs/epropnp_det/epropnp_det_r18_synthetic_cpu.py'
    name, losses = training_step(load_config(str(path)), stock_root)
    assert name == 'NuScenesEProPnPDataset' and losses['loss_pose'] != 0


def test_the_compared_fcos3d_never_mirrors_the_records(prepared_root, repository):
    """configs/proof: every second flip of an image would else train with a mirrored camera."""
    cfg = load_config(str(repository / 'configs/proof/fcos3d_small.py'))
    flip = next(step for step in cfg.data.train.pipeline if step['type'] == 'RandomFlip3D')
    flip.flip_ratio_bev_horizontal = 1.0
    name, losses = training_step(cfg, prepared_root)
    assert name == 'NuScenesEProPnPDataset' and losses['loss_depth'] > 0
    root = {'data_root': str(prepared_root), 'img_prefix': str(prepared_root)}
    dataset = build_dataset({**cfg.data.train, **root, 'ann_file': str(prepared_root / TRAIN)})
    first, again = (dataset[0]['img_metas'].data['cam2img'] for _ in range(2))
    assert [list(row) for row in first] == [list(row) for row in again]


def test_the_compared_fcos3d_trains_where_velocities_are_unknown(
    prepared_root, repository, tmp_path
):
    """configs/proof: one NaN would else make every loss of the step NaN, and it be skipped."""
    content = json.loads((prepared_root / TRAIN).read_text(encoding='utf-8'))
    for annotation in content['annotations'][::2]:
        annotation['velo_cam3d'] = [math.nan, math.nan]
    (tmp_path / TRAIN).write_text(json.dumps(content), encoding='utf-8')
    for folder in ('samples', 'sweeps'):
        if (prepared_root / folder).exists():
            (tmp_path / folder).symlink_to(prepared_root / folder)
    cfg = load_config(str(repository / 'configs/proof/fcos3d_small.py'))
    assert training_step(cfg, tmp_path)[1]['loss_velo'] > 0

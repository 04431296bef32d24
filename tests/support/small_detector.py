"""A detector that any machine trains in a second, and a data set of six small images."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.core import bbox3d2result
from mmdet3d.models.builder import DETECTORS
from torch import nn

import epropnp_det.datasets.pipelines  # noqa: F401  registers the steps
from epropnp_det.boxes.instances import instance_from_boxes3d

CLASSES = ('car', 'pedestrian', 'traffic_cone')
CAMERAS = ('FRONT', 'FRONT_RIGHT', 'FRONT_LEFT', 'BACK', 'BACK_LEFT', 'BACK_RIGHT')


@DETECTORS.register_module(force=True)
class OneParameterDetector(nn.Module):
    """Learns the mean of the images; finds one car at a depth that it learned."""

    def __init__(self, pretrained=None, train_cfg=None, test_cfg=None, width=1):
        super().__init__()
        self.depth = nn.Parameter(torch.full((width,), 5.0))
        self.register_buffer('constant', torch.ones(1), persistent=False)

    def init_weights(self):
        pass

    def forward(self, img, img_metas, return_loss=True, **kwargs):
        if return_loss:
            raise AssertionError('train_step is the way in')
        metas = img_metas[0]
        assert img[0].shape[0] == len(metas)
        return [self.detect(meta) for meta in metas]

    def detect(self, meta):
        depth = self.depth.detach()[:1]
        box = torch.tensor([[4.0, 1.5, 2.0, 0.0, 0.5, 0.0, -1.57]])
        box[0, 5] = depth
        result = bbox3d2result(
            instance_from_boxes3d(box), torch.tensor([0.9]), torch.tensor([0]), torch.tensor([5])
        )
        return {'img_bbox': result, 'meta': {'cam2img': np.asarray(meta['cam2img'])}}

    def train_step(self, data, optimizer):
        loss = (self.depth - 10).abs().sum() * (1 + 0 * data['img'].mean())
        return {'loss': loss, 'log_vars': {'loss': float(loss)}, 'num_samples': len(data['img'])}


@pytest.fixture
def small_data(tmp_path):
    """Six images 96 x 64 with one car each, as a stock mono3d file."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for index, camera in enumerate(CAMERAS):
        name = f'samples/CAM_{camera}/{index}.png'
        path = tmp_path / 'data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
        images.append(
            {
                'id': f'image{index}',
                'token': 'sample0',
                'file_name': name,
                'width': 96,
                'height': 64,
                'cam_intrinsic': [[80.0, 0, 48], [0, 80, 32], [0, 0, 1]],
                'cam2ego_rotation': [0.5, -0.5, 0.5, -0.5],
                'cam2ego_translation': [1.7, 0.0, 1.5],
                'ego2global_rotation': [1.0, 0.0, 0.0, 0.0],
                'ego2global_translation': [0.0, 0.0, 0.0],
            }
        )
        annotations.append(
            {
                'id': index,
                'image_id': f'image{index}',
                'file_name': name,
                'category_id': 0,
                'category_name': 'car',
                'bbox': [36.0, 26, 24, 18],
                'area': 432.0,
                'iscrowd': 0,
                'bbox_cam3d': [0.0, 0.5, 10.0, 4.0, 1.5, 2.0, -1.57],
                'velo_cam3d': [0.0, 1.0],
                'center2d': [48.0, 36.0, 10.0],
                'attribute_id': 5,
                'attribute_name': 'vehicle.moving',
                'segmentation': [],
            }
        )
    categories = [{'id': i, 'name': name} for i, name in enumerate(CLASSES)]
    path = tmp_path / 'data' / 'mono3d.coco.json'
    path.write_text(
        json.dumps({'images': images, 'annotations': annotations, 'categories': categories})
    )
    return path


@pytest.fixture
def config(small_data, tmp_path):
    """Stock mmdet3d data set and pipeline steps with the small detector."""
    normalize = dict(type='Normalize', mean=[0, 0, 0], std=[1, 1, 1], to_rgb=False)
    collect = dict(
        type='Collect3D',
        keys=['img'],
        meta_keys=('filename', 'ori_shape', 'img_shape', 'cam2img'),
    )
    tail = [normalize, dict(type='DefaultFormatBundle3D', class_names=CLASSES, with_label=False)]
    train = [dict(type='LoadImageMono3D'), *tail, collect]
    test = [
        dict(type='LoadImageMono3D'),
        dict(
            type='MultiScaleFlipAug',
            img_scale=(96, 64),
            flip=False,
            transforms=[*tail, collect],
        ),
    ]
    common = dict(
        type='NuScenesMonoDataset',
        data_root=str(small_data.parent),
        ann_file=str(small_data),
        img_prefix=str(small_data.parent),
        classes=CLASSES,
        box_type_3d='Camera',
    )
    return Config(
        dict(
            custom_imports=dict(imports=['epropnp_det'], allow_failed_imports=False),
            model=dict(type='OneParameterDetector'),
            class_names=CLASSES,
            data=dict(
                samples_per_gpu=2,
                workers_per_gpu=0,
                train=dict(**common, pipeline=train),
                val=dict(**common, pipeline=test),
                test=dict(**common, pipeline=test),
            ),
            optimizer=dict(type='SGD', lr=0.1),
            optimizer_config=dict(type='NanSafeOptimizerHook', grad_clip=dict(max_norm=5.0)),
            lr_config=dict(policy='fixed'),
            runner=dict(type='ResumableEpochRunner', max_epochs=2),
            checkpoint_config=dict(interval=2),
            evaluation=dict(interval=2),
            log_config=dict(interval=1, hooks=[dict(type='TextLoggerHook')]),
            log_level='ERROR',
            workflow=[('train', 1)],
            work_dir=str(tmp_path / 'work'),
        )
    )

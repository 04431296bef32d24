"""A network, a data set and a config that train in a blink, with all that makes exactness hard:
batch norm, dropout, a running normaliser, Adam, and augmentation from three random sources."""

import copy
import random

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import DataContainer
from mmdet.core import reduce_mean
from mmdet3d.datasets.builder import DATASETS
from mmdet3d.models.builder import DETECTORS
from torch import nn
from torch.utils.data import Dataset

from epropnp_det.engine import parse_losses


@DATASETS.register_module(force=True)
class TinyImages(Dataset):
    """Random images; the label is how bright one is. ``bad`` maps indices to a value put in."""

    CLASSES = ('thing',)

    def __init__(self, size=24, bad=None, test_mode=False, log=None):
        rng = np.random.default_rng(0)
        self.images = rng.random((size, 3, 8, 8), dtype=np.float32)
        self.flag = np.zeros(size, dtype=np.uint8)
        self.bad = {int(index): float(value) for index, value in (bad or {}).items()}
        self.log, self.test_mode = log, test_mode

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index].copy()
        metas = DataContainer({'sample_idx': f'token{index}'}, cpu_only=True)
        if self.test_mode:
            return {'img': DataContainer(torch.from_numpy(image), stack=True), 'img_metas': metas}
        if random.random() < 0.5:
            image = image[..., ::-1].copy()
        noise = np.random.normal(0, 0.1, image.shape)  # noqa: NPY002  as pipelines do
        image += noise.astype(np.float32)
        image = torch.from_numpy(image) + 0.1 * torch.rand(3, 1, 1)
        target = image.mean()
        if index in self.bad:
            image = torch.full_like(image, self.bad[index])
        if self.log is not None:
            with open(self.log, 'a') as file:
                file.write(f'{index}\n')
        return {
            'img': DataContainer(image, stack=True),
            'target': DataContainer(target, stack=True, pad_dims=None),
            'img_metas': metas,
        }

    def evaluate(self, results, logger=None, **kwargs):
        expected = [float(image.mean()) for image in self.images]
        assert len(results) == len(self)
        return {'error': float(np.mean(np.abs(np.array(results) - expected)))}


@DETECTORS.register_module(force=True)
class TinyNet(nn.Module):
    """Predicts brightness. The loss is divided by a running mean over all processes."""

    def __init__(
        self, dropout=0.2, norm=True, momentum=0.1, pretrained=None, train_cfg=None, test_cfg=None
    ):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.BatchNorm2d(8) if norm else nn.GroupNorm(2, 8),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 1),
        )
        self.momentum = momentum
        self.register_buffer('scale', torch.ones(()))

    def init_weights(self):
        pass

    def forward(self, img, img_metas, target=None, return_loss=True, rescale=True):
        found = self.features(img)[:, 0]
        if not return_loss:
            return found.tolist()
        error = (found - target).square()
        with torch.no_grad():
            self.scale.lerp_(reduce_mean(error.mean()), self.momentum)
        noise = 0 * torch.rand(()) + 1
        return {
            'loss_main': noise * error.mean() / self.scale,
            'loss_size': 0.01 * found.abs().mean(),
        }

    def train_step(self, data, optimizer):
        loss, log = parse_losses(self(**data))
        return {'loss': loss, 'log_vars': log, 'num_samples': len(data['img'])}

    def val_step(self, data, optimizer=None):
        return self.train_step(data, optimizer)


def tiny_config(work_dir, **changes):
    """Three epochs of six steps of four images."""
    cfg = Config(
        dict(
            model=dict(type='TinyNet'),
            data=dict(
                samples_per_gpu=4,
                workers_per_gpu=0,
                train=dict(type='TinyImages'),
                val=dict(type='TinyImages', size=5),
                test=dict(type='TinyImages', size=5),
            ),
            optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1),
            optimizer_config=dict(grad_clip=dict(max_norm=5.0)),
            lr_config=dict(policy='CosineAnnealing', min_lr=0, by_epoch=False),
            runner=dict(type='ResumableEpochRunner', max_epochs=3),
            checkpoint_config=dict(interval=1),
            evaluation=dict(interval=100),
            log_config=dict(interval=1, hooks=[dict(type='TextLoggerHook')]),
            log_level='WARNING',
            workflow=[('train', 1)],
            work_dir=str(work_dir),
            device='cpu',
            seed=0,
        )
    )
    cfg.merge_from_dict(copy.deepcopy(changes))  # which mmcv changes
    return cfg

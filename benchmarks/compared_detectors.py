"""The two detectors that `benchmark_iteration.py` compares, and what they are fed.

Both have the same backbone and pyramid, and heads that are as wide and as deep; their images and
boxes are random.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mmcv
import mmdet3d
import numpy as np
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.models import build_model
from torch import nn

from epropnp_det.engine import load_config

ROOT = Path(__file__).resolve().parents[1]
FCOS3D = Path(mmdet3d.__file__).parent / '.mim/configs/_base_/models/fcos3d.py'


class Network(NamedTuple):
    """What is compared: our model config, image size (width, height), images, focal length."""

    config: str
    size: tuple[int, int]
    batch: int
    focal: float


NETWORKS = {
    'small': Network('epropnp_det_small.py', (384, 160), 4, 300.0),
    'full': Network('epropnp_det_v2.py', (1600, 672), 1, 1260.0),
}


def our_model(network: Network) -> nn.Module:
    """EPro-PnP-Det with random weights."""
    cfg = load_config(ROOT / 'configs' / '_base_' / 'models' / network.config)
    cfg.model.backbone.init_cfg = None
    return build_model(cfg.model)


def fcos3d_model(network: Network) -> nn.Module:
    """mmdet3d's FCOS3D with our backbone and pyramid, and a head of the same width and depth."""
    ours = load_config(ROOT / 'configs' / '_base_' / 'models' / network.config).model
    cfg = mmcv.Config.fromfile(str(FCOS3D)).model
    dense = ours.bbox_head.detector
    width = dense.get('feat_channels', 256)
    cfg.backbone, cfg.neck = copy.deepcopy(ours.backbone), copy.deepcopy(ours.neck)
    cfg.backbone.init_cfg = None
    cfg.bbox_head.update(
        in_channels=width,
        feat_channels=width,
        stacked_convs=dense.get('stacked_convs', 2),
        strides=list(dense.strides),
        dcn_on_last_conv=dense.get('dcn_on_last_conv', True),
        cls_branch=(width,),
        reg_branch=((width,),) * 4 + ((),),
        dir_branch=(width,),
        attr_branch=(width,),
    )
    if 'regress_ranges' in dense:
        cfg.bbox_head.regress_ranges = dense.regress_ranges
    if 'norm_cfg' in dense:
        cfg.bbox_head.norm_cfg = dense.norm_cfg
    return build_model(cfg)


def recompute_backbone(model: nn.Module) -> None:
    """As the option ``model.backbone.with_cp=True`` of a config."""
    for layer in model.backbone.modules():
        if hasattr(layer, 'with_cp'):
            layer.with_cp = True


def make_batch(network: Network, batch: int, objects: int, device: str) -> dict[str, Any]:
    """Random images with cars between 8 and 40 m, as mmdet3d's data sets give them."""
    generator = torch.Generator().manual_seed(0)
    width, height = network.size
    cam2img = np.array([[network.focal, 0, width / 2], [0, network.focal, height / 3], [0, 0, 1]])
    data: dict[str, Any] = defaultdict(list)
    for _ in range(batch):
        unit = torch.rand(objects, 5, generator=generator)
        depth = 8 + 32 * unit[:, 0]
        x = (unit[:, 1] - 0.5) * 0.9 * width / network.focal * depth
        center = torch.stack([x, torch.full_like(x, 0.8), depth], dim=1)
        extent = torch.tensor([4.6, 1.7, 1.9]).expand(objects, 3)
        rest = torch.stack([6.28 * unit[:, 2], unit[:, 3], unit[:, 4]], dim=1)
        boxes = CameraInstance3DBoxes(
            torch.cat([center, extent, rest], dim=1), box_dim=9, origin=(0.5, 0.5, 0.5)
        )
        pixels = boxes.corners @ torch.from_numpy(cam2img).float().t()
        pixels = pixels[..., :2] / pixels[..., 2:].clamp(min=0.5)
        limits = torch.tensor([width, height])
        low = pixels.amin(1).clamp(min=0).minimum(limits - 6.0)
        high = torch.maximum(pixels.amax(1).minimum(limits), low + 6)
        projected = center @ torch.from_numpy(cam2img).float().t()
        labels = torch.zeros(objects, dtype=torch.long)
        data['gt_bboxes'].append(torch.cat([low, high], dim=1).to(device))
        data['gt_labels'].append(labels.to(device))
        data['gt_bboxes_3d'].append(boxes.to(device))
        data['gt_labels_3d'].append(labels.to(device))
        data['centers2d'].append((projected[:, :2] / projected[:, 2:]).to(device))
        data['depths'].append(depth.to(device))
        data['attr_labels'].append(labels.to(device))
        data['img_metas'].append(
            {
                'cam2img': cam2img.tolist(),
                'img2net': np.eye(3, dtype=np.float32),
                'ori_shape': (height, width, 3),
                'img_shape': (height, width, 3),
                'pad_shape': (height, width, 3),
                'scale_factor': 1.0,
                'flip': False,
                'box_type_3d': CameraInstance3DBoxes,
            }
        )
    data['img'] = torch.randn(batch, 3, height, width, generator=generator).to(device)
    return dict(data)


BUILDERS: dict[str, Callable[[Network], nn.Module]] = {
    'EPro-PnP-Det': our_model,
    'FCOS3D': fcos3d_model,
}

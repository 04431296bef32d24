"""A detector that has learned nothing and finds something all the same."""

import torch
from mmcv import Config
from mmdet3d.models import build_model
from torch import nn


def untrained_detector(cfg: Config) -> nn.Module:
    """The network of a config with seed 0 and a bias to say that something is there."""
    torch.manual_seed(0)
    model = build_model(cfg.model)
    model.init_weights()
    with torch.no_grad():
        model.bbox_head.detector.conv_cls.bias.fill_(-1.0)
    return model

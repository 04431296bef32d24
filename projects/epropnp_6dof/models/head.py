"""Correspondence head: features of a crop to coordinates, weight logits and scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.runner import BaseModule
from mmdet.models.builder import HEADS
from torch import Tensor, nn

from .structures import Maps

INITS = ('kaiming', 'normal')


@HEADS.register_module()
class CorrespondenceHead(BaseModule):
    """Stages of upsampling by two, then one 1x1 layer (docs/method_6dof.md 1.2).

    Each stage is ConvTranspose - BN - ReLU and twice Conv - BN - ReLU. The modules form one flat
    list, as in the official network, so that its checkpoints load.

    Args:
        in_channels: Of the last feature map.
        channels: Of every stage, or one number per stage.
        num_stages: Each doubles the resolution.
        num_convs: 3x3 convolutions after each upsampling.
        lateral_channels: Channels of finer feature maps of the backbone, coarse to fine, which are
            added after the first stages through 1x1 convolutions; the official network has none.
        init: ``kaiming`` (v2) or ``normal`` (v1), docs/method_6dof.md 1.6.
        init_cfg: As in mmcv.
    """

    def __init__(
        self,
        in_channels: int = 512,
        channels: int | Sequence[int] = 256,
        num_stages: int = 3,
        num_convs: int = 2,
        lateral_channels: Sequence[int] = (),
        init: str = 'kaiming',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if init not in INITS:
            raise ValueError(f'init must be one of {INITS}, got {init!r}')
        if len(lateral_channels) > num_stages:
            raise ValueError(f'{len(lateral_channels)} lateral maps for {num_stages} stages')
        widths = [channels] * num_stages if isinstance(channels, int) else list(channels)
        if len(widths) != num_stages:
            raise ValueError(f'channels must be one number or {num_stages}, got {channels}')
        self.init = init
        self.stage_length = 3 * (1 + num_convs)
        layers: list[nn.Module] = []
        for width in widths:
            layers.append(nn.ConvTranspose2d(in_channels, width, 3, 2, 1, 1, bias=False))
            for _ in range(num_convs):
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                layers.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            in_channels = width
        self.features = nn.ModuleList(layers)
        self.laterals = nn.ModuleList(
            nn.Conv2d(lateral, width, 1) for lateral, width in zip(lateral_channels, widths)
        )
        self.out_layer = nn.Conv2d(in_channels, 5, 1)
        self.scale_branch = nn.Linear(in_channels, 2)

    def init_weights(self) -> None:
        """Small coordinates and equal weights at the start."""
        for module in self.features:
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                if self.init == 'kaiming':
                    nn.init.kaiming_uniform_(module.weight)
                else:
                    nn.init.normal_(module.weight, std=0.001)
        nn.init.normal_(self.out_layer.weight, std=0.001)
        if self.init == 'kaiming':
            nn.init.zeros_(self.out_layer.weight[3:])
            nn.init.zeros_(self.scale_branch.weight)
            nn.init.constant_(self.scale_branch.bias, 3.0)
        else:
            nn.init.normal_(self.scale_branch.weight, std=0.001)
        super().init_weights()

    def forward(self, features: Sequence[Tensor]) -> Maps:
        """Predicts the maps.

        Args:
            features: Feature maps of the backbone, fine to coarse; (B, C, h, w) each.
        """
        x = features[-1]
        finer = list(features[:-1])[::-1]
        for start in range(0, len(self.features), self.stage_length):
            for layer in self.features[start : start + 3]:
                x = layer(x)
            stage = start // self.stage_length
            if stage < len(self.laterals):
                x = x + self.laterals[stage](finer[stage])
            for layer in self.features[start + 3 : start + self.stage_length]:
                x = layer(x)
        out = self.out_layer(x)
        scale = self.scale_branch(x.mean((2, 3))).exp()
        return Maps(out[:, :3], out[:, 3:], torch.clamp(scale, max=1e6))

"""Dense features of the correspondence head: pyramid levels fused into key and value maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..structures import DenseFeatures
from .positional_encoding import cell_positions, sine_encoding

__all__ = ['DenseFeatureEncoder']


class DenseFeatureEncoder(BaseModule):
    """Fuses the first pyramid levels at the output stride and projects keys and values.

    Coarser levels are stretched to the size of the finest, so pad images to a multiple of the
    coarsest stride in use, as the stock ``Pad(size_divisor=32)`` does.

    Source: EPro-PnP, section 4.2 (deformable correspondence head); docs/method.md 2.4.

    Args:
        in_channels: Channels of the pyramid levels.
        level_channels: Output channels of the 3 x 3 convolutions that all levels share.
        embed_dims: Channels of the fused feature, the keys and the values; a multiple of 4.
        num_levels: Number of pyramid levels to use, from the finest.
        stride: Stride of the finest level, which is the output stride.
        norm_cfg: Norm of the fusion layer, GN with 32 groups by default.
        init_cfg: Initialisation config of mmcv.
    """

    def __init__(
        self,
        in_channels: int = 256,
        level_channels: Sequence[int] = (256, 128, 128),
        embed_dims: int = 256,
        num_levels: int = 3,
        stride: int = 8,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if embed_dims % 4:
            raise ValueError(
                f'embed_dims must be a multiple of 4 (sine encoding), got {embed_dims}'
            )
        self.num_levels = num_levels
        self.stride = stride
        channels = (in_channels, *level_channels)
        self.level_convs = nn.Sequential(
            *(
                ConvModule(channels[i], channels[i + 1], 3, padding=1, bias=False)
                for i in range(len(level_channels))
            )
        )
        self.fusion = ConvModule(
            num_levels * channels[-1],
            embed_dims,
            1,
            norm_cfg=norm_cfg or dict(type='GN', num_groups=32),
        )
        self.key_proj = nn.Conv2d(2 * embed_dims, embed_dims, 1)
        self.value_proj = nn.Conv2d(embed_dims, embed_dims, 1)

    def init_weights(self) -> None:
        """Initialises convolutions by Kaiming's rule, the projections with linear gain."""
        super().init_weights()
        for proj in (self.key_proj, self.value_proj):
            nn.init.kaiming_normal_(proj.weight, nonlinearity='linear')
            nn.init.zeros_(proj.bias)

    def forward(self, feats: Sequence[Tensor], net_size: Tensor) -> DenseFeatures:
        """Makes the maps that the deformable attention samples.

        Args:
            feats: Pyramid levels from the finest, (B, in_channels, h_l, w_l) each; further levels
                are ignored.
            net_size: Width and height of the valid network canvas, (B, 2).

        Returns:
            Key and value maps, (B, embed_dims, h, w), in channels-last memory format.

        Raises:
            ValueError: If there are fewer levels than ``num_levels``.
        """
        if len(feats) < self.num_levels:
            raise ValueError(
                f'{self.num_levels} pyramid levels needed, got {len(feats)}; '
                'set num_levels of the correspondence head or num_outs of the neck'
            )
        size = feats[0].shape[-2:]
        finest, *coarser = (self.level_convs(feat) for feat in feats[: self.num_levels])
        levels = [
            finest,
            *(
                F.interpolate(level, size, mode='bilinear', align_corners=False)
                for level in coarser
            ),
        ]
        fused = self.fusion(torch.cat(levels, dim=1)).contiguous(memory_format=torch.channels_last)
        return DenseFeatures(
            key=self._project_keys(fused, net_size),
            value=self.value_proj(fused),
            stride=self.stride,
        )

    def _project_keys(self, fused: Tensor, net_size: Tensor) -> Tensor:
        """``key_proj`` of the fused feature joined with its sine encoding [y | x].

        The encoding of a cell is a function of its row beside one of its column, so its part of
        the projection is computed per row and per column, and the encoded map is never built.
        """
        embed_dims, height, width = fused.shape[1:]
        num_feats = embed_dims // 2
        weight = self.key_proj.weight[..., 0, 0]
        feat_weight, position_weight = weight.split(embed_dims, dim=1)
        rows = sine_encoding(cell_positions(height, self.stride, net_size[:, 1]), num_feats)
        columns = sine_encoding(cell_positions(width, self.stride, net_size[:, 0]), num_feats)
        row_term = F.linear(rows.to(weight), position_weight[:, :num_feats])  # (B, h, C)
        column_term = F.linear(columns.to(weight), position_weight[:, num_feats:])  # (B, w, C)
        cells = F.linear(fused.permute(0, 2, 3, 1), feat_weight, self.key_proj.bias)
        keys = cells + (row_term[:, :, None] + column_term[:, None])  # (B, h, w, C)
        return keys.permute(0, 3, 1, 2)

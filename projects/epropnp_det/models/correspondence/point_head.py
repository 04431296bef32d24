"""Object coordinates and weight logits of the sampled points (EPro-PnP 4.2, docs/method.md 2.5)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from mmcv.cnn import Scale
from mmcv.cnn.bricks.transformer import BaseTransformerLayer
from mmcv.runner import BaseModule
from torch import Tensor, nn

from .deformable_sampler import SampledObjects
from .image_transform import mirror
from .point_transformer import FeedForward, PointAttention

__all__ = ['GroupLinear', 'PointHead', 'PointOutput', 'fibonacci_directions']


def fibonacci_directions(num: int) -> Tensor:
    """Unit vectors spread evenly over the sphere along a Fibonacci spiral, (num, 3)."""
    index = torch.arange(num, dtype=torch.float64)
    z = 1 - (2 * index + 1) / num
    azimuth = math.pi * (1 + math.sqrt(5)) * (index + 0.5)
    radius = (1 - z.square()).sqrt()
    directions = torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], dim=-1)
    return directions.to(torch.get_default_dtype())


class GroupLinear(nn.Module):
    """A linear layer with weights of its own for each group.

    Args:
        num_groups: Number of groups G.
        in_features: Input features per group.
        out_features: Output features per group.
    """

    def __init__(self, num_groups: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_groups, out_features, in_features))
        self.bias = nn.Parameter(torch.empty(num_groups, out_features))
        self.reset_parameters()

    def reset_parameters(self, scale: float = 1.0) -> None:
        """Draws weights uniformly with variance ``scale^2 / in_features`` and clears the biases."""
        bound = scale * math.sqrt(3 / self.weight.shape[-1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, G, P, in_features) to (n, G, P, out_features)."""
        return torch.einsum('ngpi,goi->ngpo', x, self.weight) + self.bias[:, None]


class PointOutput(NamedTuple):
    """Per-point predictions of ``n`` objects with ``N`` points, head by head.

    Attributes:
        noc: Box-relative coordinates, mirrored back for flipped images, unbounded, (n, N, 3).
        weight_logits: Logits of the weights along image x and y, (n, N, 2).
    """

    noc: Tensor
    weight_logits: Tensor


class PointHead(BaseModule):
    """One transformer layer over all points of an object and a linear layer per attention head.

    Args:
        num_heads: Heads of the sampler, each with a linear layer of its own.
        head_dims: Channels of a point token.
        ffn_channels: Hidden channels of the feed-forward network.
        dropout: Dropout of the feed-forward network.
        detach_x2d: Whether the position code sends no gradient into the 2D points (v1, v1b).
        query_scale: Factor of the query in the point tokens before training; it is learned.
        init_cfg: Initialisation config of mmcv.
    """

    def __init__(
        self,
        num_heads: int = 8,
        head_dims: int = 32,
        ffn_channels: int = 256,
        dropout: float = 0.1,
        detach_x2d: bool = False,
        query_scale: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.detach_x2d = detach_x2d
        self.query_scale = Scale(query_scale)
        self.position_proj = nn.Linear(2, head_dims)
        self.transformer = BaseTransformerLayer(
            attn_cfgs=dict(
                type=PointAttention, embed_dims=head_dims, num_heads=1, batch_first=True
            ),
            ffn_cfgs=dict(
                type=FeedForward,
                embed_dims=head_dims,
                feedforward_channels=ffn_channels,
                ffn_drop=dropout,
            ),
            operation_order=('self_attn', 'norm', 'ffn', 'norm'),
            batch_first=True,
        )
        self.regressor = GroupLinear(num_heads, head_dims, 5)

    def init_weights(self) -> None:
        """Starts each head's points around their own direction, half way to the box surface."""
        super().init_weights()
        self.regressor.reset_parameters(scale=0.01)
        with torch.no_grad():
            bias = self.regressor.bias
            bias[:, :3] = 0.5 * fibonacci_directions(len(bias)).to(bias)

    def forward(self, sampled: SampledObjects, x2d: Tensor, flipped: Tensor) -> PointOutput:
        """Predicts the object coordinate and the weight logits of every point.

        Args:
            sampled: What the sampler read for n objects; n may be zero.
            x2d: Points in original pixels, (n, H * P, 2).
            flipped: Whether the image of the object was mirrored, bool (n,).
        """
        num_objects, num_heads, num_points, head_dims = sampled.value.shape
        tokens = sampled.value + self.query_scale(sampled.query)[:, :, None]  # (n, H, P, c)
        position = self._encode_position(x2d, flipped)  # (n, N, c)
        tokens = self.transformer(
            tokens.flatten(1, 2), query_pos=position, key_pos=position
        )  # (n, N, c)
        tokens = tokens.view(num_objects, num_heads, num_points, head_dims)
        output = self.regressor(tokens).flatten(1, 2)  # (n, N, 5)
        noc, weight_logits = output.split([3, 2], dim=-1)
        return PointOutput(mirror(noc, 2, flipped), weight_logits)

    def _encode_position(self, x2d: Tensor, flipped: Tensor) -> Tensor:
        """Linear code of the points as the network saw them, standardised per object and axis."""
        if self.detach_x2d:
            x2d = x2d.detach()
        mean = x2d.mean(1, keepdim=True)
        std = x2d.std(1, keepdim=True).clamp(min=1.0)
        return self.position_proj(mirror((x2d - mean) / std, 0, flipped))

"""Deformable attention from object queries to dense maps.

Source: EPro-PnP section 4.2, docs/method.md 2.5.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmcv.cnn import Scale
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..structures import DenseFeatures, ObjectQueries
from .bilinear_sampling import bilinear_taps, gather_taps
from .image_transform import border_validity
from .point_transformer import FeedForward
from .positional_encoding import encode_points

__all__ = ['DeformableSampler', 'SampledObjects']

BORDER_RAMPS = ('symmetric', 'official')


class SampledObjects(NamedTuple):
    """What ``n`` objects read from the maps, with ``H`` heads of ``P`` points and ``c`` channels.

    Attributes:
        feature: Object feature after attention and feed-forward network, (n, H * c).
        query: Attention query, also that of the dense auxiliary branch, (n, H, c).
        value: Value at each location, (n, H, P, c).
        locations: Sampling locations in network pixels, (n, H, P, 2).
        validity: Share of each location that lies on the canvas, in [0, 1], (n, H, P).
    """

    feature: Tensor
    query: Tensor
    value: Tensor
    locations: Tensor
    validity: Tensor


class DeformableSampler(BaseModule):
    """Each object looks at its own points of the dense maps, around its predicted centre.

    Objects of all images are sampled together, without a loop over images.

    Args:
        embed_dims: Channels of embeddings, keys and values; a multiple of 4 and of ``num_heads``.
        num_heads: Attention heads.
        num_points: Points per head.
        ffn_channels: Hidden channels of the feed-forward network.
        dropout: Dropout of the feed-forward network.
        border_ramp: ``'symmetric'``, or ``'official'`` for official v2 checkpoints
            (docs/differences.md W12).
        embedding_scale: Factor of the embedding in the query before training; it is learned.
        init_cfg: Initialisation config of mmcv.

    Raises:
        ValueError: If ``embed_dims`` or ``border_ramp`` are not as described.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_points: int = 16,
        ffn_channels: int = 1024,
        dropout: float = 0.1,
        border_ramp: str = 'symmetric',
        embedding_scale: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if embed_dims % 4 or embed_dims % num_heads:
            raise ValueError(
                f'embed_dims must be a multiple of 4 and of num_heads={num_heads}, got {embed_dims}'
            )
        if border_ramp not in BORDER_RAMPS:
            raise ValueError(f'border_ramp must be one of {BORDER_RAMPS}, got {border_ramp!r}')
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.num_points = num_points
        self.border_ramp = border_ramp
        self.embedding_scale = Scale(embedding_scale)
        self.query_proj = nn.Linear(embed_dims, embed_dims)
        self.sampling_offsets = nn.Linear(embed_dims, num_heads * num_points * 2)
        self.out_proj = nn.Linear(embed_dims, embed_dims)
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dims) for _ in range(2))
        self.ffn = FeedForward(embed_dims, ffn_channels, ffn_drop=dropout)

    def init_weights(self) -> None:
        """Xavier initialisation; gain 2.5 spreads the first sampling locations over the object."""
        super().init_weights()
        for layer, gain in (
            (self.query_proj, 1.0),
            (self.sampling_offsets, 2.5),
            (self.out_proj, 1.0),
        ):
            nn.init.xavier_uniform_(layer.weight, gain=gain)
            nn.init.zeros_(layer.bias)

    def forward(
        self, features: DenseFeatures, queries: ObjectQueries, net_size: Tensor
    ) -> SampledObjects:
        """Samples keys and values and attends to them.

        Args:
            features: Dense maps.
            queries: Objects, n may be zero.
            net_size: Valid canvas of each object's image, width and height, (n, 2).
        """
        locations = self._locate(queries)
        query = self._make_query(queries, net_size)
        map_size = tuple(features.key.shape[-2:])
        taps = bilinear_taps(locations, queries.img_inds, map_size, features.stride)
        key, value = gather_taps(features.key, taps), gather_taps(features.value, taps)
        validity = border_validity(locations, net_size, features.stride, self.border_ramp)
        logits = torch.einsum('nhc,nhpc->nhp', query, key) / key.shape[-1] ** 0.5
        attention = logits.softmax(-1) * validity
        attended = torch.einsum('nhp,nhpc->nhc', attention, value).flatten(1)  # (n, H * c)
        feature = self.norms[0](self.out_proj(attended) + queries.embeddings)
        feature = self.norms[1](self.ffn(feature))
        return SampledObjects(feature, query, value, locations, validity)

    def _make_query(self, queries: ObjectQueries, net_size: Tensor) -> Tensor:
        """Projects the scaled embedding plus the encoded centre, (n, H, c)."""
        position = encode_points(queries.centers, net_size, self.embed_dims // 2)
        query = self.query_proj(self.embedding_scale(queries.embeddings) + position)
        return query.view(-1, self.num_heads, self.embed_dims // self.num_heads)

    def _locate(self, queries: ObjectQueries) -> Tensor:
        """Locations in network pixels; offsets are in units of the query's stride, (n, H, P, 2)."""
        offsets = self.sampling_offsets(queries.embeddings)
        offsets = offsets.view(-1, self.num_heads, self.num_points, 2)
        return queries.centers[:, None, None] + offsets * queries.strides[:, None, None, None]

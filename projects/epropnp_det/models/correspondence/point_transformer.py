"""Attention and feed-forward network of mmcv without what the many points of objects wait for.

mmcv's forward functions look up their own signature at every call, and its attention returns the
map of all weights, which nobody reads. Parameters, their names and the numbers are mmcv's.
"""

from __future__ import annotations

import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import FFN, MultiheadAttention
from torch import Tensor

__all__ = ['FeedForward', 'PointAttention']


class FeedForward(FFN):
    """mmcv's ``FFN`` with the shortcut from its input."""

    def forward(self, x: Tensor, identity: Tensor | None = None) -> Tensor:
        """Maps (..., C) to the same shape; ``identity`` is what the shortcut adds, by default x."""
        return (x if identity is None else identity) + self.dropout_layer(self.layers(x))


class PointAttention(MultiheadAttention):
    """mmcv's ``MultiheadAttention`` of points to the points of the same object, with one head."""

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        identity: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
        **kwargs,
    ) -> Tensor:
        """Attends; self-attention, so one tensor is query, key and value, with one position code.

        Args:
            query: Tokens, (n, N, c).
            key: The same.
            value: The same.
            identity: What the shortcut adds, by default the tokens.
            query_pos: Position code of the tokens, added where they are compared, (n, N, c).
            key_pos: The same.
            **kwargs: Masks, which points do not need.
        """
        attention = self.attn
        dims = attention.embed_dim
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        placed = query if query_pos is None else query + query_pos
        queries, keys = F.linear(placed, weight[: 2 * dims], bias[: 2 * dims]).split(dims, -1)
        values = F.linear(value, weight[2 * dims :], bias[2 * dims :])
        shares = ((queries * dims**-0.5) @ keys.transpose(1, 2)).softmax(-1)  # (n, N, N)
        attended = attention.out_proj(shares @ values)
        return (query if identity is None else identity) + self.dropout_layer(attended)

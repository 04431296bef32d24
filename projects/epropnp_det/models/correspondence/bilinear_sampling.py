"""Bilinear sampling of feature maps by gathering, for objects of all images at once.

Source: docs/differences.md W44.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

__all__ = ['BilinearTaps', 'bilinear_taps', 'gather_taps']


class BilinearTaps(NamedTuple):
    """The four cells around each location of ``n`` objects with ``H`` heads and ``P`` points.

    Attributes:
        rows: Rows of the flattened map table (B * h * w * H, C / H), (n, H, P, 4).
        weights: Interpolation weights, which carry the gradient of the locations, (n, H, P, 4).
    """

    rows: Tensor
    weights: Tensor


def bilinear_taps(
    locations: Tensor, img_inds: Tensor, map_size: tuple[int, int], stride: int
) -> BilinearTaps:
    """Finds the cells to sample; locations beyond the outermost cell centres are moved onto them.

    Same rule as ``grid_sample(mode='bilinear', padding_mode='border', align_corners=False)``, whose
    gradient with respect to a clamped location is also zero.

    Args:
        locations: Where to sample, in network pixels, (n, H, P, 2).
        img_inds: Index of each object's image, (n,).
        map_size: Height and width of the map.
        stride: Stride of the map in network pixels.

    Returns:
        The taps. A location that is not finite gets weights that are not, but harms no other.
    """
    height, width = map_size
    num_heads = locations.shape[1]
    x, y = (locations / stride - 0.5).unbind(-1)  # (n, H, P)
    left, right, to_right = _neighbours(x, width)
    top, bottom, to_bottom = _neighbours(y, height)
    first_row = img_inds[:, None, None] * height
    top, bottom = (first_row + top) * width, (first_row + bottom) * width
    cells = torch.stack([top + left, top + right, bottom + left, bottom + right], dim=-1)
    heads = torch.arange(num_heads, device=cells.device)[:, None, None]
    upper, lower = 1 - to_bottom, to_bottom
    weights = [upper * (1 - to_right), upper * to_right, lower * (1 - to_right), lower * to_right]
    return BilinearTaps(cells * num_heads + heads, torch.stack(weights, dim=-1))


def _neighbours(position: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of the cells before and after a position, and the share of the latter."""
    position = position.clamp(0, length - 1)
    floor = position.detach().floor()
    # The clamp keeps the index of a NaN position in range; its weight stays NaN.
    before = floor.long().clamp(0, length - 1)
    after = (before + 1).clamp(max=length - 1)
    return before, after, position - floor


def gather_taps(feature_map: Tensor, taps: BilinearTaps) -> Tensor:
    """Samples each head's share of the channels at the taps.

    Args:
        feature_map: (B, C, h, w) with C = H * c; no copy is made in channels-last memory format.
        taps: Where to sample.

    Returns:
        Samples, (n, H, P, c).
    """
    num_heads = taps.rows.shape[1]
    channels = feature_map.shape[1] // num_heads
    table = feature_map.permute(0, 2, 3, 1).reshape(-1, channels)  # (B * h * w * H, c)
    return _WeightedRows.apply(table.to(taps.weights.dtype), taps.rows, taps.weights)


class _WeightedRows(torch.autograd.Function):
    """``(weights[..., None] * table[rows]).sum(-2)`` without writing out the rows of the table.

    Indexing, product and sum keep the rows for the backward pass and take 1.4 times as long on a
    CPU; torch's own gradient of the bag needs one of the table.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        table: Tensor,  # (R, c)
        rows: Tensor,  # (..., 4)
        weights: Tensor,  # (..., 4)
    ) -> Tensor:
        ctx.save_for_backward(table, rows, weights)
        samples = F.embedding_bag(
            rows.flatten(0, -2), table, per_sample_weights=weights.flatten(0, -2), mode='sum'
        )
        return samples.view(*rows.shape[:-1], table.shape[1])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, grad_samples: Tensor
    ) -> tuple[Tensor | None, None, Tensor | None]:
        table, rows, weights = ctx.saved_tensors
        grad_table = grad_weights = None
        flat, grad = rows.flatten(), grad_samples[..., None, :]  # (..., 1, c)
        if ctx.needs_input_grad[0]:
            shares = (weights[..., None] * grad).flatten(0, -2)  # (..., 4, c) as rows
            grad_table = torch.zeros_like(table)
            grad_table.scatter_add_(0, flat[:, None].expand_as(shares), shares)
        if ctx.needs_input_grad[2]:
            cells = table.index_select(0, flat).view(*rows.shape, table.shape[1])
            grad_weights = (cells * grad).sum(-1)
        return grad_table, None, grad_weights

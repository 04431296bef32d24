"""Normalisation over regions of interest that overlap, in one pass.

Source: docs/method.md 2.6; docs/differences.md W41.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['RoIPairs', 'cell_centers', 'find_overlaps', 'inter_roi_logsumexp']


class RoIPairs(NamedTuple):
    """Ordered pairs of different, overlapping regions of one image, ``p`` of them.

    The columns and rows of a map of region ``b`` are interpolated linearly at the cell centres of
    region ``a``; both steps are small matrices, since regions are axis aligned.

    Attributes:
        a: Index of the region that is looked at, (p,).
        b: Index of the region that overlaps it, (p,).
        rows: Interpolation along y, (p, r, r).
        columns: Interpolation along x, (p, r, r).
        inside: Whether the centre of the cell of ``a`` lies in ``b``, bool (p, r, r).
    """

    a: Tensor
    b: Tensor
    rows: Tensor
    columns: Tensor
    inside: Tensor


def cell_centers(bboxes: Tensor, size: int) -> Tensor:
    """Coordinates of the cell centres of regions, columns in x and rows in y.

    Args:
        bboxes: x1 y1 x2 y2, (n, 4).
        size: Cells per side r.

    Returns:
        x of each column and y of each row, (n, 2, r).
    """
    share = (torch.arange(size, dtype=bboxes.dtype, device=bboxes.device) + 0.5) / size
    return bboxes[:, :2, None] + (bboxes[:, 2:] - bboxes[:, :2])[..., None] * share


def find_overlaps(bboxes: Tensor, img_inds: Tensor, size: int) -> RoIPairs:
    """Finds all pairs of regions that overlap and how to resample from one to the other.

    Args:
        bboxes: Regions x1 y1 x2 y2 in network pixels, (n, 4).
        img_inds: Image of each region, (n,).
        size: Cells per side r of their maps.
    """
    upper_left = torch.maximum(bboxes[:, None, :2], bboxes[None, :, :2])
    lower_right = torch.minimum(bboxes[:, None, 2:], bboxes[None, :, 2:])
    overlap = (upper_left < lower_right).all(-1)  # (n, n)
    others = ~torch.eye(len(bboxes), dtype=torch.bool, device=bboxes.device)
    overlap = overlap & others & (img_inds[:, None] == img_inds)
    a, b = overlap.nonzero().unbind(1)
    extent = (bboxes[b, 2:] - bboxes[b, :2]).clamp(min=1e-6)
    position = (cell_centers(bboxes, size)[a] - bboxes[b, :2, None]) / extent[..., None]
    position = position * size  # (p, 2, r), 0 .. r over region b
    x_inside, y_inside = ((position >= 0) & (position <= size)).unbind(1)
    columns, rows = _linear_interpolation(position - 0.5, size).unbind(1)
    return RoIPairs(a, b, rows, columns, y_inside[:, :, None] & x_inside[:, None])


def _linear_interpolation(position: Tensor, size: int) -> Tensor:
    """Weights of the cells 0 .. size - 1 at positions between them, the ends held, (..., size)."""
    cells = torch.arange(size, dtype=position.dtype, device=position.device)
    return (1 - (position.clamp(0, size - 1)[..., None] - cells).abs()).clamp(min=0)


def inter_roi_logsumexp(maps: Tensor, pairs: RoIPairs) -> Tensor:
    """Logsumexp per cell over a region and all regions of its image that cover the cell.

    Equals resampling every overlapping region's map onto the region (bilinear, border padding),
    leaving out cells whose centre it does not cover, and a logsumexp per cell and channel.

    Args:
        maps: Finite, (n, C, r, r).
        pairs: From :func:`find_overlaps` of the same regions.

    Returns:
        (n, C, r, r).
    """
    resampled = pairs.rows[:, None] @ maps[pairs.b] @ pairs.columns[:, None].transpose(-1, -2)
    resampled = resampled.masked_fill(~pairs.inside[:, None], float('-inf'))  # (p, C, r, r)
    with torch.no_grad():
        index = pairs.a[:, None, None, None].expand_as(resampled)
        peak = maps.scatter_reduce(0, index, resampled, 'amax')  # (n, C, r, r)
    others = torch.zeros_like(maps).index_add(0, pairs.a, (resampled - peak[pairs.a]).exp())
    return peak + ((maps - peak).exp() + others).log()

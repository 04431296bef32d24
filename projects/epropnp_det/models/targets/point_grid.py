"""The points at which the dense head predicts, and how to read its maps there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class PointGrid(NamedTuple):
    """Points of all pyramid levels in one axis of length ``P``, level after level, row by row.

    Attributes:
        points: Centres of the cells in network pixels, ``index * stride + stride // 2``, (P, 2).
        strides: Stride of the level each point belongs to, (P,).
        sizes: Height and width of each level.
        level_strides: Stride of each level.
    """

    points: Tensor
    strides: Tensor
    sizes: tuple[tuple[int, int], ...]
    level_strides: tuple[int, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        """Index of the first point of each level."""
        starts = [0]
        for height, width in self.sizes[:-1]:
            starts.append(starts[-1] + height * width)
        return tuple(starts)


def _level_points(size: tuple[int, int], stride: int, like: Tensor) -> Tensor:
    """Points of one level, (h, w, 2)."""
    y = torch.arange(size[0], device=like.device, dtype=like.dtype) * stride + stride // 2
    x = torch.arange(size[1], device=like.device, dtype=like.dtype) * stride + stride // 2
    return torch.stack([x[None].expand(size), y[:, None].expand(size)], dim=-1)


def point_grid(maps: Sequence[Tensor], strides: Sequence[int]) -> PointGrid:
    """Lays out the points of a pyramid (docs/method.md 2.2).

    Args:
        maps: One map (B, C, h, w) per level; only size, dtype and device are read.
        strides: Stride of each level.

    Raises:
        ValueError: If there are not as many maps as strides.
    """
    if len(maps) != len(strides):
        raise ValueError(
            f'got {len(maps)} feature maps for {len(strides)} strides {tuple(strides)}'
        )
    sizes = tuple((int(level.shape[-2]), int(level.shape[-1])) for level in maps)
    points = [
        _level_points(size, stride, level.new_zeros(0, dtype=torch.float32))
        for level, size, stride in zip(maps, sizes, strides)
    ]
    per_point = [
        xy.new_full((xy.shape[0] * xy.shape[1],), stride) for xy, stride in zip(points, strides)
    ]
    return PointGrid(
        points=torch.cat([xy.flatten(0, 1) for xy in points]),  # (P, 2)
        strides=torch.cat(per_point),  # (P,)
        sizes=sizes,
        level_strides=tuple(int(stride) for stride in strides),
    )


def gather_points(maps: Sequence[Tensor], img_inds: Tensor, point_inds: Tensor) -> Tensor:
    """Reads a pyramid of maps at some points, differentiably and without flattening the maps.

    Args:
        maps: One map (B, C, h, w) per level.
        img_inds: Index of the image, (n,).
        point_inds: Index of the point in the order of :class:`PointGrid`, (n,).

    Returns:
        (n, C).
    """
    out = maps[0].new_zeros(point_inds.shape[0], maps[0].shape[1])
    start = 0
    for level in maps:
        height, width = level.shape[-2:]
        cells = height * width
        inside = (point_inds >= start) & (point_inds < start + cells)
        cell = (point_inds - start).clamp(0, cells - 1)
        row = torch.div(cell, width, rounding_mode='floor')
        values = level[img_inds, :, row, cell % width]  # (n, C)
        out = torch.where(inside[:, None], values, out)
        start += cells
    return out


def gather_centers(
    maps: Sequence[Tensor], img_inds: Tensor, point_inds: Tensor, labels: Tensor
) -> Tensor:
    """Reads projected centres at some points; where maps are class aware, those of ``labels``.

    Args:
        maps: One map (B, 2 or 2 x classes, h, w) per level.
        img_inds: Index of the image, (n,).
        point_inds: Index of the point in the order of :class:`PointGrid`, (n,).
        labels: Class, (n,).

    Returns:
        (n, 2).
    """
    centers = gather_points(maps, img_inds, point_inds).unflatten(1, (-1, 2))
    if centers.shape[1] == 1:
        return centers[:, 0]
    return centers.gather(1, labels[:, None, None].expand(-1, 1, 2))[:, 0]

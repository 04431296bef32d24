"""The points at which the dense head predicts, and how to read its maps there."""

from __future__ import annotations

import functools
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
        levels: Stride, index of the first point, width and height of each level, long (L, 4).
    """

    points: Tensor
    strides: Tensor
    sizes: tuple[tuple[int, int], ...]
    level_strides: tuple[int, ...]
    levels: Tensor


def point_grid(maps: Sequence[Tensor], strides: Sequence[int]) -> PointGrid:
    """Lays out the points of a pyramid (docs/method.md 2.2).

    Pyramids of one shape share a grid, so it must not be changed.

    Args:
        maps: One map (B, C, h, w) per level; only size and device are read.
        strides: Stride of each level.

    Raises:
        ValueError: If there are not as many maps as strides.
    """
    if len(maps) != len(strides):
        raise ValueError(
            f'got {len(maps)} feature maps for {len(strides)} strides {tuple(strides)}'
        )
    sizes = tuple((int(level.shape[-2]), int(level.shape[-1])) for level in maps)
    return _point_grid(sizes, tuple(int(stride) for stride in strides), maps[0].device)


@functools.lru_cache(maxsize=64)
def _point_grid(
    sizes: tuple[tuple[int, int], ...], strides: tuple[int, ...], device: torch.device
) -> PointGrid:
    # The same grid may serve inference now and training later.
    with torch.inference_mode(False):
        cells = [height * width for height, width in sizes]
        levels = [
            (stride, sum(cells[:level]), width, height)
            for level, (stride, (height, width)) in enumerate(zip(strides, sizes))
        ]
        return PointGrid(
            points=torch.cat([_level_points(*level, device) for level in zip(sizes, strides)]),
            strides=torch.cat(
                [
                    torch.full((number,), stride, dtype=torch.float32, device=device)
                    for number, stride in zip(cells, strides)
                ]
            ),
            sizes=sizes,
            level_strides=strides,
            levels=torch.tensor(levels, device=device),
        )


def _level_points(size: tuple[int, int], stride: int, device: torch.device) -> Tensor:
    """Points of one level, (h * w, 2)."""
    y, x = (
        torch.arange(length, dtype=torch.float32, device=device) * stride + stride // 2
        for length in size
    )
    return torch.stack([x[None].expand(size), y[:, None].expand(size)], dim=-1).flatten(0, 1)


def gather_points(maps: Sequence[Tensor], img_inds: Tensor, point_inds: Tensor) -> Tensor:
    """Reads a pyramid of maps at some points, differentiably.

    Args:
        maps: One map (B, C, h, w) per level.
        img_inds: Index of the image, (n,).
        point_inds: Index of the point in the order of :class:`PointGrid`, (n,).

    Returns:
        (n, C).
    """
    return torch.cat([level.flatten(2) for level in maps], 2)[img_inds, :, point_inds]


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

"""Targets of the FCOS-style dense head: which point answers for which object.

Source: docs/method.md 2.2.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..structures import GroundTruth, as_indices
from .point_grid import PointGrid


class DenseTargets(NamedTuple):
    """Targets of ``B`` images with ``P`` points each, ``n`` of all these positive.

    Points are in the order of :class:`PointGrid`.

    Attributes:
        labels: Class indices, number of classes for background, (B, P).
        cls_weights: Weight of each point in the classification loss: 0 for background inside an
            ignored region, else 1, (B, P).
        img_inds: Image of each positive, (n,).
        point_inds: Point of each positive, (n,).
        gt_inds: Row in ``GroundTruth`` of each positive, (n,).
        pos_labels: Class of each positive, (n,).
        centerness: In (0.082, 1], (n,).
        centers: Volume centre in network pixels, (n, 2).
        bboxes: 2D box x1 y1 x2 y2 in network pixels, (n, 4).
        points: Network pixel of each positive, (n, 2).
        strides: Stride of each positive's level, (n,).
    """

    labels: Tensor
    cls_weights: Tensor
    img_inds: Tensor
    point_inds: Tensor
    gt_inds: Tensor
    pos_labels: Tensor
    centerness: Tensor
    centers: Tensor
    bboxes: Tensor
    points: Tensor
    strides: Tensor


class _Candidates(NamedTuple):
    """Pairs of an object and a point near its centre, flat over objects, levels and cells."""

    gt_inds: Tensor
    point_inds: Tensor
    distances: Tensor
    positive: Tensor


def _candidates(
    grid: PointGrid,
    gt: GroundTruth,
    centers: Tensor,
    regress_ranges: Sequence[tuple[float, float]],
    radius: float,
) -> _Candidates:
    """Looks at the few cells of each level around every centre instead of at all of its points."""
    stride, start, *size = grid.levels[:, :, None, None, None].unbind(1)  # (L, 1, 1, 1) each
    extent = torch.cat(size, -1)  # (L, 1, 1, 2)
    half, offset = radius * stride, stride // 2
    # the open square spans 2 * radius cells; one more for its position, one for rounding
    steps = torch.arange(int(2 * radius) + 2, device=centers.device)[:, None]
    middle = centers[:, None]  # (G, 1, 2)
    first = torch.floor((middle - half - offset) / stride).nan_to_num(0.0, 0.0, 0.0)
    cells = first.clamp(-1e6, 1e6).long() + steps  # (L, G, k, 2), column and row
    point = (cells * stride + offset).to(centers)
    delta = point - middle
    inside = (delta.abs() < half) & (cells >= 0) & (cells < extent)
    boxes = gt.bboxes[:, None].to(point)
    reach = torch.maximum(point - boxes[..., :2], boxes[..., 2:] - point)
    low, high = _range_tensor(tuple(regress_ranges), point.device).unbind(1)  # (L, 1, 1, 1) each

    def columns_and_rows(values: Tensor) -> tuple[Tensor, Tensor]:
        """Both axes of (L, G, k, 2) as they spread over rows and columns."""
        return values[..., None, :, 0], values[..., :, None, 1]  # (L, G, 1, k), (L, G, k, 1)

    farthest = torch.maximum(*columns_and_rows(reach))  # (L, G, k, k)
    x_inside, y_inside = columns_and_rows(inside)
    positive = x_inside & y_inside & (farthest >= low) & (farthest <= high)
    x, y = columns_and_rows(cells.clamp(min=0).minimum(extent - 1))
    gt_inds = torch.arange(len(centers), device=centers.device)[:, None, None]
    distances = torch.stack(torch.broadcast_tensors(*columns_and_rows(delta)), -1).norm(dim=-1)
    return _Candidates(
        gt_inds.expand_as(positive).flatten(),
        (start + y * size[0] + x).flatten(),
        distances.flatten(),
        positive.flatten(),
    )


@functools.lru_cache(maxsize=64)
def _range_tensor(ranges: tuple[tuple[float, float], ...], device: torch.device) -> Tensor:
    """Both ends of the range of each level, (L, 2, 1, 1, 1)."""
    with torch.inference_mode(False):
        return torch.tensor(ranges, dtype=torch.float32, device=device)[..., None, None, None]


def _nearest(keys: Tensor, distances: Tensor) -> Tensor:
    """Indices of the nearest entry of each key, keys ascending; ties go to the earliest entry."""
    order = torch.sort(distances, stable=True).indices
    order = order[torch.sort(keys[order], stable=True).indices]
    ordered = keys[order]
    leads = torch.ones_like(ordered, dtype=torch.bool)
    leads[1:] = ordered[1:] != ordered[:-1]
    return order[leads]


@torch.no_grad()
def ignored_points(grid: PointGrid, bboxes: Tensor, img_inds: Tensor, num_imgs: int) -> Tensor:
    """Marks the points inside regions that are neither object nor background.

    Source: docs/differences.md W23.

    Args:
        grid: Points of the pyramid.
        bboxes: Ignored boxes of all images x1 y1 x2 y2 in network pixels, (M, 4).
        img_inds: Image of each box, (M,).
        num_imgs: Number of images B.

    Returns:
        bool (B, P).
    """
    inside = (grid.points >= bboxes[:, None, :2]) & (
        grid.points <= bboxes[:, None, 2:]
    )  # (M, P, 2)
    counts = grid.points.new_zeros(num_imgs, grid.points.shape[0])
    return counts.index_add(0, img_inds, inside.all(-1).to(counts)) > 0


@torch.no_grad()
def fcos_targets(
    grid: PointGrid,
    gt: GroundTruth,
    centers: Tensor,
    num_imgs: int,
    num_classes: int,
    regress_ranges: Sequence[tuple[float, float]],
    radius: float = 1.5,
    centerness_alpha: float = 2.5,
    ignored: Tensor | None = None,
) -> DenseTargets:
    """Assigns points to objects.

    A point is positive for an object iff it lies strictly inside the square of half size
    ``radius * stride`` around the volume centre and its largest distance to the sides of the 2D box
    is in the range of its level, both ends included. It may lie outside the 2D box. Of several
    objects the one with the nearest centre wins, among equals the first.

    Args:
        grid: Points of the pyramid.
        gt: Objects of all images; 2D boxes in network pixels.
        centers: Volume centres in network pixels, (G, 2). Objects with a NaN centre get no point.
        num_imgs: Number of images B.
        num_classes: Number of classes, which is also the background label.
        regress_ranges: Smallest and largest distance to a box side in network pixels, per level.
        radius: Half size of the positive square in strides.
        centerness_alpha: Decay of the centerness ``exp(-alpha * distance / (1.414 * radius *
            stride))``.
        ignored: Points whose classification does not count while they are background, bool (B, P).

    Raises:
        ValueError: If ranges and levels, or centres and objects, differ in number.
    """
    if len(regress_ranges) != len(grid.sizes):
        raise ValueError(f'{len(regress_ranges)} regress_ranges for {len(grid.sizes)} levels')
    if tuple(centers.shape) != (gt.labels.shape[0], 2):
        raise ValueError(f'centers are {tuple(centers.shape)}, expected ({gt.labels.shape[0]}, 2)')
    centers = centers.to(grid.points)
    pairs = _candidates(grid, gt, centers, regress_ranges, radius)
    chosen = as_indices(pairs.positive)
    pairs = _Candidates(*(field[chosen] for field in pairs))
    num_points = grid.points.shape[0]
    keys = gt.img_inds[pairs.gt_inds] * num_points + pairs.point_inds
    best = _nearest(keys, pairs.distances)
    gt_inds, point_inds = pairs.gt_inds[best], pairs.point_inds[best]
    strides, pos_labels = grid.strides[point_inds], gt.labels[gt_inds]
    decay = centerness_alpha / (1.414 * radius * strides)
    labels = gt.labels.new_full((num_imgs * num_points,), num_classes)
    labels = labels.scatter(0, keys[best], pos_labels).view(num_imgs, num_points)
    cls_weights = grid.points.new_ones(num_imgs, num_points)
    if ignored is not None:
        cls_weights = cls_weights.masked_fill(ignored & (labels == num_classes), 0.0)
    return DenseTargets(
        labels=labels,
        cls_weights=cls_weights,
        img_inds=gt.img_inds[gt_inds],
        point_inds=point_inds,
        gt_inds=gt_inds,
        pos_labels=pos_labels,
        centerness=torch.exp(-pairs.distances[best] * decay),
        centers=centers[gt_inds],
        bboxes=gt.bboxes[gt_inds].to(grid.points),
        points=grid.points[point_inds],
        strides=strides,
    )

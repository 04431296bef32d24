"""Random subsets of points for the random-sample solver (docs/method.md 1.6)."""

from __future__ import annotations

import torch
from torch import Tensor

STRIDE = 37
"""Shift between the clocks of neighbouring subsets, see `_complete`."""


def sample_subsets(
    w2d: Tensor, num_subsets: int, size: int, generator: torch.Generator | None = None
) -> Tensor:
    """Draws point subsets without replacement, with probability proportional to the mean weight.

    Points without weight are drawn only when the others run out, so an object whose weights are all
    zero gets uniform subsets. How much randomness is used up depends on shapes alone: an object
    cannot change what its neighbours draw.

    Args:
        w2d: (B, 2, N).
        num_subsets: Subsets per object.
        size: Points per subset, at most ``N``.
        generator: Source of randomness.

    Returns:
        Point indices, (B, num_subsets, size).
    """
    tiny = torch.finfo(w2d.dtype).tiny
    weight = w2d.mean(1)
    weight = weight / weight.amax(1, keepdim=True).clamp(min=tiny)  # sums cannot overflow
    weight = weight.clamp(min=tiny)  # (B, N)
    if w2d.device.type == 'cpu':
        return sequential_subsets(weight, num_subsets, size, generator)
    return race_subsets(weight, num_subsets, size, generator)


def race_subsets(
    weight: Tensor, num_subsets: int, size: int, generator: torch.Generator | None = None
) -> Tensor:
    """Exponential races: the ``size`` earliest arrivals at rates ``weight`` are such a subset.

    Asks nothing of the host. Arguments as `sequential_subsets`.
    """
    clock = weight.new_empty(weight.size(0), num_subsets, weight.size(1))
    arrival = clock.exponential_(generator=generator) / weight[:, None]
    return arrival.topk(size, dim=-1, largest=False, sorted=False).indices


def sequential_subsets(
    weight: Tensor, num_subsets: int, size: int, generator: torch.Generator | None = None
) -> Tensor:
    """The same distribution in half the time on a CPU: draw with replacement, skip repetitions.

    Args:
        weight: Positive, at most one, (B, N).
        num_subsets: Subsets per object.
        size: Points per subset, at most ``N``.
        generator: Source of randomness.

    Returns:
        Point indices, (B, num_subsets, size).
    """
    num_objects, num_points = weight.shape
    draws = size + size // 2
    point = _draw(weight, num_subsets, draws, generator)  # (draws, B P)
    clock = torch.empty_like(weight).exponential_(generator=generator)
    subset = point.new_zeros(size + 1, point.size(1))  # the last row takes what is too much
    count = point.new_zeros(1, point.size(1))
    seen = torch.zeros(num_points, point.size(1), dtype=torch.uint8)
    for row in point[:, None].unbind(0):  # (1, B P)
        subset.scatter_(0, count, row)  # a repetition is overwritten by the next draw
        repeated = seen.gather(0, row)
        seen.scatter_(0, row, 1)
        count = (count + 1 - repeated).clamp_(max=size)
    unfinished = (count[0] < size).nonzero()[:, 0]
    completed = _complete(weight, clock, seen, unfinished, num_subsets, size)
    subset[:size, unfinished] = completed.t()
    return subset[:size].t().unflatten(0, (num_objects, num_subsets))


def _draw(
    weight: Tensor, num_subsets: int, draws: int, generator: torch.Generator | None
) -> Tensor:
    """Independent draws with replacement, (draws, B * num_subsets).

    A cumulative table is searched several times faster in ascending order. Uniform numbers in that
    order are what the normalised arrivals of a Poisson process are, and a shuffle makes them
    independent again: one for all objects, from which each takes its own turn.
    """
    num_objects, total = weight.size(0), num_subsets * draws
    arrival = weight.new_empty(num_objects, total + 1).exponential_(generator=generator).cumsum(1)
    table = weight.cumsum(1)
    level = arrival[:, :-1] / arrival[:, -1:] * table[:, -1:]
    point = torch.searchsorted(table, level, right=True).clamp_(max=weight.size(1) - 1)
    shuffle = torch.randperm(total, generator=generator).repeat(2).unfold(0, total, 1)
    turn = torch.randint(total, (num_objects,), generator=generator)
    point = point.gather(1, shuffle[turn])
    return point.view(num_objects * num_subsets, draws).t().contiguous()


def _complete(
    weight: Tensor, clock: Tensor, seen: Tensor, rows: Tensor, num_subsets: int, size: int
) -> Tensor:
    """Lets the points that ``rows`` have not seen race for their free places, (n, size).

    Races are memoryless, so the distribution stays what it was. All subsets of an object use its
    clock, each shifted by another number of points.

    Args:
        weight: (B, N).
        clock: Unit exponential numbers, (B, N).
        seen: Whether a subset has a point already, (N, B P).
        rows: Subsets to complete, (n,).
        num_subsets: Subsets per object, P.
        size: Points per subset.
    """
    num_points = weight.size(1)
    owner = rows.div(num_subsets, rounding_mode='floor')
    shift = (rows % num_subsets)[:, None] * STRIDE + torch.arange(num_points)
    arrival = clock[owner].gather(1, shift % num_points) / weight[owner]
    arrival.masked_fill_(seen[:, rows].t() > 0, -1.0)  # what is there stays
    return arrival.topk(size, dim=1, largest=False, sorted=False).indices

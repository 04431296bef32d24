"""Random subsets of points (docs/method.md 1.6); see `reference.subsets.draw_subsets`."""

from __future__ import annotations

import torch
from torch import Tensor

from ..reference.subsets import SubsetNoise, clock_hands, subset_weights, waiting_times


def draw_subsets(w2d: Tensor, noise: SubsetNoise, size: int) -> Tensor:
    """The same subsets, draw by draw for all of them at once; the order of their points differs."""
    weight, table = subset_weights(w2d)
    num_objects, num_points = weight.shape
    num_subsets, draws = noise.level.shape[1:]
    point = torch.searchsorted(table, noise.level.flatten(1), right=True)
    point = point.clamp_(max=num_points - 1).view(num_objects * num_subsets, draws).t().contiguous()
    subset = point.new_zeros(size + 1, point.size(1))  # the last row takes what is too much
    count = point.new_zeros(1, point.size(1))
    seen = torch.zeros(num_points, point.size(1), dtype=torch.uint8)
    for row in point[:, None].unbind(0):  # (1, B P)
        subset.scatter_(0, count, row)  # a repetition is overwritten by the next draw
        repeated = seen.gather(0, row)
        seen.scatter_(0, row, 1)
        count = (count + 1 - repeated).clamp_(max=size)
    unfinished = (count[0] < size).nonzero()[:, 0]
    completed = _complete(weight, noise.clock, seen, unfinished, num_subsets, size)
    subset[:size, unfinished] = completed.t()
    return subset[:size].t().unflatten(0, (num_objects, num_subsets))


def _complete(
    weight: Tensor, clock: Tensor, seen: Tensor, rows: Tensor, num_subsets: int, size: int
) -> Tensor:
    """Lets the points that ``rows`` have not seen race for their free places, (n, size).

    Args:
        weight: (B, N).
        clock: Uniform in [0, 1), (B, N).
        seen: Whether a subset has a point already, (N, B P).
        rows: Subsets to complete, (n,).
        num_subsets: Subsets per object, P.
        size: Points per subset.
    """
    owner = rows.div(num_subsets, rounding_mode='floor')
    speed, angle = (hand[rows % num_subsets][:, None] for hand in clock_hands(num_subsets, clock))
    arrival = waiting_times(clock[owner], speed, angle) / weight[owner]
    arrival.masked_fill_(seen[:, rows].t() > 0, -1.0)  # what is there stays
    return arrival.topk(size, dim=1, largest=False, sorted=False).indices

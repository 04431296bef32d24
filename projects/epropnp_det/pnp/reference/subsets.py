"""Random subsets of points for the random-sample solver (docs/method.md 1.6)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..constants import constant

GOLDEN = (math.sqrt(5) - 1) / 2
SPEEDS = 61
"""Subsets read an object's clock at so many speeds, and each from another angle."""


class SubsetNoise(NamedTuple):
    """What makes the subsets random; how much of it there is depends on shapes alone.

    Attributes:
        level: Uniform in [0, 1), (B, P, draws).
        clock: Uniform in [0, 1), (B, N).
    """

    level: Tensor
    clock: Tensor


class SubsetWeights(NamedTuple):
    """Weights of the points, (B, N) each.

    Attributes:
        weight: Positive, at most one.
        table: Their running sums, divided by the last.
    """

    weight: Tensor
    table: Tensor


def subset_weights(w2d: Tensor) -> SubsetWeights:
    """Mean weights of the points by which they are drawn, from (B, 2, N).

    Points without weight keep a tiny one: they are drawn only when the others run out, and an
    object without any weight gets uniform subsets.
    """
    tiny = torch.finfo(w2d.dtype).tiny
    weight = w2d.sum(1)
    weight = weight / weight.amax(1, keepdim=True).clamp(min=tiny)  # sums cannot overflow
    weight = weight.clamp(min=tiny)
    table = weight.cumsum(1)
    return SubsetWeights(weight, table / table[:, -1:])


def clock_hands(num_subsets: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Speed (a whole number) and angle in [0, 1) of every subset, (P,) each."""
    speeds = tuple(1.0 + number % SPEEDS for number in range(num_subsets))
    angles = tuple(number * GOLDEN % 1.0 for number in range(num_subsets))
    return constant(speeds, like), constant(angles, like)


def waiting_times(clock: Tensor, speed: Tensor, angle: Tensor) -> Tensor:
    """Unit exponential numbers as the hands of a clock show them; the arguments broadcast."""
    return -torch.log1p(-torch.frac(torch.addcmul(angle, clock, speed)))


def draw_subsets(w2d: Tensor, noise: SubsetNoise, size: int) -> Tensor:
    """Draws point subsets without replacement, with probability proportional to the mean weight.

    The first ``size`` different points of draws with replacement are such a subset. Where there are
    too few, the points not drawn yet race for the free places: waiting times are memoryless, so the
    distribution stays what it was. All subsets of an object use its clock, each at another speed
    and from another angle, which leaves uniform numbers uniform.

    Args:
        w2d: (B, 2, N).
        noise: Of the same number of points.
        size: Points per subset, at most ``N``.

    Returns:
        Point indices, (B, P, size).
    """
    weight, table = subset_weights(w2d)
    num_objects, num_points = table.shape
    num_subsets, draws = noise.level.shape[1:]
    drawn = torch.searchsorted(table, noise.level.flatten(1), right=True)
    drawn = drawn.clamp(max=num_points - 1).view(num_objects, num_subsets, draws)
    # when a point takes its place: at its first draw, or after all draws in the order of the race
    speed, angle = clock_hands(num_subsets, table)
    waiting = waiting_times(noise.clock[:, None], speed[:, None], angle[:, None])  # (B, P, N)
    time = draws + waiting / weight[:, None]
    number = constant(tuple(float(draw) for draw in range(draws)), table)
    time = time.scatter_reduce(2, drawn, number.expand_as(drawn), 'amin')
    return time.topk(size, dim=2, largest=False).indices

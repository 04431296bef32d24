"""Random subsets of the points of an object."""

from __future__ import annotations

import triton
import triton.language as tl

from ..reference import subsets
from .algebra import at_least
from .axes import least_of_points, object_axis, over_points, point_axis, pose_axis

GOLDEN = tl.constexpr(subsets.GOLDEN)
SPEEDS = tl.constexpr(subsets.SPEEDS)


@triton.jit(do_not_specialize=['num_objects', 'num_subsets', 'num_points', 'draws', 'size'])
def subsets_kernel(
    w2d, level, clock, indices, num_objects, num_subsets, num_points, draws, size,
    TINY: tl.constexpr, ROWS: tl.constexpr, SUBSETS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Subsets (B, P, size): some objects and some subsets a program, all points at once.

    Args:
        w2d: (B, 2, N).
        level: Uniform numbers, (B, P, draws).
        clock: Uniform numbers, (B, N).
        indices: Written, (B, P, size).
        num_objects: ``B``.
        num_subsets: ``P``.
        num_points: ``N``.
        draws: With replacement.
        size: Points per subset.
        TINY: The smallest weight.
        ROWS: Objects of a program.
        SUBSETS: Subsets of a program.
        BLOCK: At least ``N``.
    """
    object_index = object_axis(ROWS, 3)
    number = tl.program_id(1) * SUBSETS + pose_axis(ROWS, SUBSETS)
    point = point_axis(ROWS, 3, BLOCK)
    there = object_index < num_objects
    mask, wanted = there & (point < num_points), there & (number < num_subsets)
    last = mask & (point == num_points - 1)
    row = w2d + 2 * object_index * num_points + point
    mass = tl.load(row, mask=mask, other=0.0) + tl.load(row + num_points, mask=mask, other=0.0)
    mass = at_least(mass / at_least(-least_of_points(-mass, ROWS, 3), TINY), TINY)
    table = tl.cumsum(tl.where(mask, mass, 0.0), axis=1 if ROWS == 1 else 2)
    share = tl.where(mask, table / over_points(tl.where(last, table, 0.0), ROWS, 3), 2.0)
    hour = tl.load(clock + object_index * num_points + point, mask=mask, other=0.0)
    speed = (1 + number % SPEEDS).to(hour.dtype)
    angle = number.to(tl.float64) * GOLDEN
    angle = (angle - tl.floor(angle)).to(hour.dtype)
    # when a point takes its place: at its first draw, or after all draws in the order of the race
    shown = hour * speed + angle
    shown = shown - tl.floor(shown)
    time = draws + (-tl.log(1.0 - shown)) / mass  # at most infinite
    place = object_index * num_subsets + number
    for step in range(draws):
        draw = draws - 1 - step  # so that the first one stays
        wish = tl.load(level + place * draws + draw, mask=wanted, other=0.0)
        drawn = over_points((share <= wish).to(tl.int32), ROWS, 3)
        drawn = tl.minimum(drawn, num_points - 1)
        time = tl.where(point == drawn, draw + tl.zeros_like(time), time)
    left = mask & wanted
    for k in range(size):
        # what is taken, or is no point, comes after infinity
        first = least_of_points(tl.where(left, time, float('inf')), ROWS, 3)
        ready = left & (time <= first)
        chosen = least_of_points(tl.where(ready, point, BLOCK), ROWS, 3)
        tl.store(indices + place * size + k, chosen.to(tl.int64), mask=wanted)
        left = left & (point != chosen)

"""Random subsets of the points of an object."""

from __future__ import annotations

import triton
import triton.language as tl

from .axes import least_of_points, object_axis, over_points, point_axis, pose_axis


@triton.jit(do_not_specialize=['num_objects', 'num_subsets', 'num_points', 'draws', 'size'])
def subsets_kernel(
    table, weight, level, clock, speeds, angles, indices,
    num_objects, num_subsets, num_points, draws, size,
    ROWS: tl.constexpr, SUBSETS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Subsets (B, P, size): some objects and some subsets a program, all points at once.

    Args:
        table: Running sums of the weights, (B, N).
        weight: (B, N).
        level: Uniform numbers, (B, P, draws).
        clock: Uniform numbers, (B, N).
        speeds: Of the subsets' hands, (P,).
        angles: Of the subsets' hands, (P,).
        indices: Written, (B, P, size).
        num_objects: ``B``.
        num_subsets: ``P``.
        num_points: ``N``.
        draws: With replacement.
        size: Points per subset.
        ROWS: Objects of a program.
        SUBSETS: Subsets of a program.
        BLOCK: At least ``N``.
    """
    object_index = object_axis(ROWS, 3)
    number = tl.program_id(1) * SUBSETS + pose_axis(ROWS, SUBSETS)
    point = point_axis(ROWS, 3, BLOCK)
    there = object_index < num_objects
    mask, wanted = there & (point < num_points), there & (number < num_subsets)
    share = tl.load(table + object_index * num_points + point, mask=mask, other=2.0)
    mass = tl.load(weight + object_index * num_points + point, mask=mask, other=1.0)
    hour = tl.load(clock + object_index * num_points + point, mask=mask, other=0.0)
    speed = tl.load(speeds + number, mask=number < num_subsets, other=0.0)
    angle = tl.load(angles + number, mask=number < num_subsets, other=0.0)
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
        first = least_of_points(tl.where(left, time, float('inf')), ROWS)
        ready = left & (time <= first)
        chosen = least_of_points(tl.where(ready, point, BLOCK), ROWS)
        tl.store(indices + place * size + k, chosen.to(tl.int64), mask=wanted)
        left = left & (point != chosen)

"""Where the random-sample solver starts, and which of its poses it keeps."""

from __future__ import annotations

import math

import triton
import triton.language as tl

from ..reference import search
from .algebra import at_least
from .axes import least_of_points, object_axis, over_points, point_axis
from .projection import load_points, load_tuple, normalized, store_tuple

SMALLEST = tl.constexpr(search.SMALL**2)
TWO_PI = tl.constexpr(2 * math.pi)


@triton.jit
def count_of(points, inside, seen, TINY: tl.constexpr, WEIGHTED: tl.constexpr):
    """What points count, not yet divided by the sum."""
    count = points[5] + points[6] if WEIGHTED else seen.to(points[5].dtype)
    return tl.where(inside, at_least(count, TINY), 0.0)


@triton.jit
def rays_and_points(points, skew):
    """Camera x and y of the image points at depth one, and the points in space."""
    determinant = skew[0] * skew[3] - skew[1] * skew[2]
    across = (skew[3] * points[3] - skew[1] * points[4]) / determinant
    down = (skew[0] * points[4] - skew[2] * points[3]) / determinant
    return (across, down) + points[:3]


@triton.jit
def depth_of(variance, YAW: tl.constexpr):
    """Depth at which an object as large as in space is as large as in the image."""
    solid = (variance[2] + variance[3] + variance[4]) / 3.0
    depth = solid / at_least((variance[0] + variance[1]) / 2.0, SMALLEST)
    if YAW:
        vertical = variance[3] / at_least(variance[1], SMALLEST)
        depth = tl.where(variance[3] > SMALLEST, vertical, depth)
    return tl.sqrt(depth)


@triton.jit(do_not_specialize=['num_objects', 'num_points', 'num_starts'])
def start_kernel(
    x3d, x2d, w2d, camera, there_is, noise, starts, num_objects, num_points, num_starts,
    TINY: tl.constexpr, WEIGHTED: tl.constexpr, MASKED: tl.constexpr, YAW: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, STARTS: tl.constexpr,
):  # fmt: skip
    """Starts (B, P, dim) of some objects a program, which reads their points three times."""
    dim: tl.constexpr = 4 if YAW else 7
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    skew = load_tuple(camera + 9 * object_index, there, 2)
    skew = skew + load_tuple(camera + 9 * object_index + 3, there, 2)
    zero = tl.zeros_like(skew[0])
    total, mean, variance = zero, (), ()
    for _ in tl.static_range(5):
        mean, variance = mean + (zero,), variance + (zero,)
    for reading in tl.static_range(3):
        for first in range(0, num_points, BLOCK):
            point = first + point_axis(ROWS, 2, BLOCK)
            inside = there & (point < num_points)
            seen = inside
            if MASKED:
                seen = seen & (tl.load(there_is + object_index * num_points + point, seen) != 0)
            points = load_points(x3d, x2d, w2d, object_index, point, num_points, inside)
            count = count_of(points, inside, seen, TINY, WEIGHTED)
            if reading == 0:
                total += over_points(count, ROWS, 2)
            else:
                share = count / at_least(total, TINY)
                values = rays_and_points(points, skew)
                sums = ()
                for i in tl.static_range(5):
                    if reading == 1:
                        sums = sums + (mean[i] + over_points(values[i] * share, ROWS, 2),)
                    else:
                        away = values[i] - mean[i]
                        sums = sums + (variance[i] + over_points(away * away * share, ROWS, 2),)
                if reading == 1:
                    mean = sums
                else:
                    variance = sums
    depth = depth_of(variance, YAW)
    position = (mean[0] * depth, mean[1] * depth, depth)
    number = point_axis(ROWS, 2, STARTS)
    wanted = there & (number < num_starts)
    place = object_index * num_starts + number
    drawn = load_tuple(noise + (dim - 3) * place, wanted, dim - 3)
    pose = ()
    for i in tl.static_range(3):
        pose = pose + (position[i] + tl.zeros_like(drawn[0]),)
    rotation = ((drawn[0] - 0.5) * TWO_PI,) if YAW else normalized(drawn)
    store_tuple(starts + dim * place, pose + rotation, wanted)


@triton.jit(do_not_specialize=['num_objects', 'num_poses'])
def best_kernel(
    poses, costs, best, lowest, num_objects, num_poses,
    REJECTS: tl.constexpr, NEAREST: tl.constexpr, DIM: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The best of the poses (B, P, DIM) of some objects a program, all of them at once."""
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    number = point_axis(ROWS, 2, BLOCK)
    mask = there & (number < num_poses)
    place = object_index * num_poses + number
    rank = tl.load(costs + place, mask=mask, other=float('inf'))
    rank = tl.where(tl.abs(rank) < float('inf'), rank, float('inf'))
    if REJECTS:
        depth = tl.load(poses + DIM * place + 2, mask=mask, other=0.0)
        behind = mask & (depth <= NEAREST)
        before = over_points(mask.to(tl.int32) - behind.to(tl.int32), ROWS, 2) > 0
        rank = tl.where(behind & before, float('inf'), rank)
    least = least_of_points(rank, ROWS, 2)
    chosen = least_of_points(tl.where(rank <= least, number, BLOCK), ROWS, 2)
    place = object_index * num_poses + chosen
    store_tuple(best + DIM * object_index, load_tuple(poses + DIM * place, there, DIM), there)
    tl.store(lowest + object_index, tl.load(costs + place, mask=there), mask=there)

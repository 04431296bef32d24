"""Adaptive importance sampling: all rounds of an object in one launch (docs/method.md 1.7)."""

from __future__ import annotations

import triton
import triton.language as tl

from .axes import most_of_poses, object_axis, over_poses, pose_axis
from .costs import costs_of
from .projection import load_tuple, load_view, store_tuple
from .proposals import (
    TWO_PI,
    WIDTH,
    draw_position,
    draw_quaternion,
    initial,
    log_density,
    propose_deviation,
    refit,
)


@triton.jit
def write_yaws(
    proposal, uniform, target, count, num_uniform, num_candidates, object_there,
    DIM: tl.constexpr, ROWS: tl.constexpr, DRAWN: tl.constexpr, CANDIDATES: tl.constexpr,
):  # fmt: skip
    """Draws yaws: a share is uniform, the rest are the first accepted von Mises candidates.

    Refused ones come after the accepted ones, where these run out.
    """
    number = pose_axis(ROWS, DRAWN)
    anywhere = object_there & (number < num_uniform)
    level = tl.load(uniform + number, mask=anywhere, other=0.0)
    tl.store(target + number * DIM, (level - 0.5) * TWO_PI, mask=anywhere)
    number = pose_axis(ROWS, CANDIDATES)
    there = object_there & (number < num_candidates)
    candidate = tl.load(uniform + num_uniform + number, mask=there, other=0.5)
    level = tl.load(uniform + num_uniform + num_candidates + number, mask=there, other=0.5)
    deviation, refuse = propose_deviation(proposal[11], candidate, level)
    refused = (there & refuse).to(tl.int32)
    taken = there.to(tl.int32) - refused
    axis: tl.constexpr = 0 if ROWS == 1 else 1
    rank = tl.cumsum(taken, axis=axis) - 1
    behind = over_poses(taken, ROWS) + tl.cumsum(refused, axis=axis) - 1
    place = num_uniform + tl.where(taken > 0, rank, behind)
    tl.store(target + place * DIM, proposal[10] + deviation, mask=there & (place < count))


@triton.jit(
    do_not_specialize=[
        'num_objects', 'num_points', 'rounds', 'count', 'num_uniform', 'num_candidates'
    ]
)  # fmt: skip
def posterior_kernel(
    x3d, x2d, w2d, delta, camera, lower, upper, solution, covariance, normal, uniform,
    poses, costs, densities, scratch,
    num_objects, num_points, rounds, count, num_uniform, num_candidates,
    Z_MIN: tl.constexpr, YAW: tl.constexpr,
    ROWS: tl.constexpr, DRAWN: tl.constexpr, SAMPLES: tl.constexpr, CANDIDATES: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Samples the posteriors of `ROWS` objects a program.

    What one round writes the next one reads, all of it in the same program: barriers in between.

    Args:
        x3d: (B, 3, N).
        x2d: (B, 2, N).
        w2d: (B, 2, N).
        delta: (B,).
        camera: (B, 3, 3).
        lower: (B, 2).
        upper: (B, 2).
        solution: Poses, (B, dim).
        covariance: (B, dof, dof).
        normal: (T, B, n, 6 or 10).
        uniform: For the yaw, (T, B, `num_uniform` + 2 `num_candidates`).
        poses: Written, (B, S, dim).
        costs: Written, (B, S).
        densities: Written, (B, S).
        scratch: Proposals, (B, T, `WIDTH`).
        num_objects: ``B``.
        num_points: ``N``.
        rounds: ``T``.
        count: Poses of a round, ``n``.
        num_uniform: Uniform yaws of a round.
        num_candidates: For the others.
        Z_MIN: Smallest depth.
        YAW: Whether poses turn about y only.
        ROWS: Objects of a program.
        DRAWN: At least ``n``.
        SAMPLES: At least ``T n``.
        CANDIDATES: At least `num_candidates`.
        BLOCK: Points at once.
    """
    dof: tl.constexpr = 4 if YAW else 6
    dim: tl.constexpr = 4 if YAW else 7
    numbers: tl.constexpr = 6 if YAW else 10
    width: tl.constexpr = 13 if YAW else 21
    object_index = object_axis(ROWS, 3)
    there = object_index < num_objects
    view = load_view(delta, camera, lower, upper, object_index, there)
    data = (x3d, x2d, w2d)
    spread = ()
    for i in tl.static_range(dof):
        spread = spread + load_tuple(covariance + (object_index * dof + i) * dof, there, i + 1)
    proposal = initial(load_tuple(solution + dim * object_index, there, dim), spread, YAW)
    samples = rounds * count
    number, sample = pose_axis(ROWS, DRAWN), pose_axis(ROWS, SAMPLES)
    for step in range(rounds):
        store_tuple(scratch + (object_index * rounds + step) * WIDTH, proposal, there)
        first = object_index * samples + step * count
        turn = step * num_objects + object_index  # a round of an object
        wanted = there & (number < count)
        place = first + number
        drawn = load_tuple(normal + (turn * count + number) * numbers, wanted, numbers)
        position = draw_position(proposal, drawn)
        if YAW:
            write_yaws(
                proposal, uniform + turn * (num_uniform + 2 * num_candidates),
                poses + first * dim + 3, count, num_uniform, num_candidates, there,
                dim, ROWS, DRAWN, CANDIDATES,
            )  # fmt: skip
            tl.debug_barrier()
            pose = position + load_tuple(poses + place * dim + 3, wanted, 1)
            store_tuple(poses + place * dim, position, wanted)
        else:
            pose = position + draw_quaternion(proposal, drawn)
            store_tuple(poses + place * dim, pose, wanted)
        cost = costs_of(pose, view, data, object_index, wanted, num_points, YAW, Z_MIN, ROWS, BLOCK)
        tl.store(costs + place, cost, mask=wanted)
        tl.debug_barrier()
        # weight all poses so far by the mixture of all proposals so far
        wanted = there & (sample < (step + 1) * count)
        place = object_index * samples + sample
        pose = load_tuple(poses + place * dim, wanted, dim)
        cost = tl.load(costs + place, mask=wanted, other=0.0)
        density = tl.where(wanted, log_density(proposal, pose, YAW), 0.0)
        for older in range(step):
            row = scratch + (object_index * rounds + older) * WIDTH
            other = log_density(load_tuple(row, there, width), pose, YAW)
            high = tl.where(density < other, other, density)
            density = high + tl.log(tl.exp(density - high) + tl.exp(other - high))
        density = density - tl.log(step + 1.0 + tl.zeros_like(cost))
        tl.store(densities + place, density, mask=wanted)
        score = tl.where(wanted, -cost - density, float('-inf'))
        score = score - most_of_poses(score, ROWS)
        weights = tl.exp(score)
        weights = weights / over_poses(weights, ROWS)
        proposal = refit(pose, weights, YAW, ROWS)

"""Costs of many poses per object, and their gradient."""

from __future__ import annotations

import triton
import triton.language as tl

from .axes import object_axis, over_points, over_poses, point_axis, pose_axis
from .projection import (
    cost_of,
    load_points,
    load_tuple,
    load_view,
    project,
    rotation_of,
    turn,
)


@triton.jit
def costs_of(
    pose, view, data, object_index, there, num_points, YAW: tl.constexpr, Z_MIN: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Costs of poses over all points of ``data``."""
    x3d, x2d, w2d = data
    rotation = rotation_of(pose, YAW)
    spread = point_axis(ROWS, 3, BLOCK)
    cost = tl.zeros_like(pose[0]) + tl.zeros_like(spread).to(pose[0].dtype)
    for first in range(0, num_points, BLOCK):
        point = first + spread
        mask = there & (point < num_points)
        points = load_points(x3d, x2d, w2d, object_index, point, num_points, mask)
        found = project(turn(rotation, points), pose, points, view, Z_MIN)
        cost += cost_of(found[4], found[5])
    return over_points(cost, ROWS, 3)


@triton.jit(do_not_specialize=['num_objects', 'num_poses', 'num_points'])
def costs_kernel(
    x3d, x2d, w2d, delta, camera, lower, upper, poses, costs,
    num_objects, num_poses, num_points,
    Z_MIN: tl.constexpr, YAW: tl.constexpr,
    ROWS: tl.constexpr, POSES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Costs (B, S) of poses (B, S, dim): some objects and some poses a program."""
    dim: tl.constexpr = 4 if YAW else 7
    object_index = object_axis(ROWS, 3)
    there = object_index < num_objects
    number = tl.program_id(1) * POSES + pose_axis(ROWS, POSES)
    wanted = there & (number < num_poses)
    view = load_view(delta, camera, lower, upper, object_index, there)
    place = object_index * num_poses + number
    pose = load_tuple(poses + dim * place, wanted, dim)
    data = (x3d, x2d, w2d)
    cost = costs_of(pose, view, data, object_index, there, num_points, YAW, Z_MIN, ROWS, BLOCK)
    tl.store(costs + place, cost, mask=wanted)


@triton.jit(do_not_specialize=['num_objects', 'num_poses', 'num_points'])
def gradients_kernel(
    x3d, x2d, w2d, delta, camera, lower, upper, poses, grad, by_x3d, by_x2d, by_w2d, by_delta,
    num_objects, num_poses, num_points,
    Z_MIN: tl.constexpr, YAW: tl.constexpr,
    ROWS: tl.constexpr, POSES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of ``sum(grad * costs)``: some objects and a block of points a program.

    Poses take turns, so every point sums in the same order whatever the launch looks like. The
    gradient by the threshold is written per block of points, (B, blocks).
    """
    dim: tl.constexpr = 4 if YAW else 7
    object_index = object_axis(ROWS, 3)
    there = object_index < num_objects
    point = tl.program_id(1) * BLOCK + point_axis(ROWS, 3, BLOCK)
    mask = there & (point < num_points)
    view = load_view(delta, camera, lower, upper, object_index, there)
    points = load_points(x3d, x2d, w2d, object_index, point, num_points, mask)
    zero = tl.zeros_like(points[0]) + tl.zeros_like(pose_axis(ROWS, POSES)).to(points[0].dtype)
    if ROWS > 1:
        zero = zero + tl.zeros_like(view[0])
    sums = (zero, zero, zero, zero, zero, zero, zero, zero)
    for first in range(0, num_poses, POSES):
        number = first + pose_axis(ROWS, POSES)
        wanted = there & (number < num_poses)
        place = object_index * num_poses + number
        pose = load_tuple(poses + dim * place, wanted, dim)
        scale = tl.load(grad + place, mask=wanted, other=0.0)
        rotation = rotation_of(pose, YAW)
        depth, near, image, error, distance, inner = project(
            turn(rotation, points), pose, points, view, Z_MIN
        )
        excess = scale * (distance - inner)
        pull = scale * inner / distance
        pull_u, pull_v = pull * error[0] * points[5], pull * error[1] * points[6]
        by_wu, by_wv = pull_u * error[0], pull_v * error[1]
        pull_u, pull_v = pull_u * points[5], pull_v * points[6]
        by_u, by_v = -pull_u, -pull_v
        pull_u = tl.where(image[2] == image[0], pull_u * near, 0.0)
        pull_v = tl.where(image[3] == image[1], pull_v * near, 0.0)
        forward = tl.where(depth > Z_MIN, -(pull_u * image[2] + pull_v * image[3]), 0.0)
        across, down = view[0] * pull_u + view[2] * pull_v, view[1] * pull_u + view[3] * pull_v
        by_x = rotation[0] * across + rotation[3] * down + rotation[6] * forward
        by_y = rotation[1] * across + rotation[4] * down + rotation[7] * forward
        by_z = rotation[2] * across + rotation[5] * down + rotation[8] * forward
        terms = (by_x, by_y, by_z, by_u, by_v, by_wu, by_wv, excess)
        grown = ()
        for i in tl.static_range(8):
            grown = grown + (sums[i] + terms[i],)
        sums = grown
    total = ()
    for i in tl.static_range(8):
        if ROWS == 1:
            total = total + (tl.sum(sums[i], axis=0, keep_dims=True),)
        else:
            total = total + (tl.sum(sums[i], axis=1, keep_dims=True),)
    first = object_index * num_points
    for i in tl.static_range(3):
        tl.store(by_x3d + (3 * first + i * num_points) + point, total[i], mask=mask)
    for i in tl.static_range(2):
        tl.store(by_x2d + (2 * first + i * num_points) + point, total[3 + i], mask=mask)
        tl.store(by_w2d + (2 * first + i * num_points) + point, total[5 + i], mask=mask)
    slope = over_poses(over_points(tl.where(mask, total[7], 0.0), ROWS, 3), ROWS)
    tl.store(by_delta + object_index * tl.num_programs(1) + tl.program_id(1), slope, mask=there)

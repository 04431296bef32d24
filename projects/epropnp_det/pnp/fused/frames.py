"""Between the frame of a solver and the caller's, and what is told of a solution."""

from __future__ import annotations

import math

import triton
import triton.language as tl

from ..reference.frames import CONVERGED_DECREMENT
from .algebra import inverse, select
from .axes import object_axis, pose_axis
from .projection import load_tuple, normalized, rotation_of, store_tuple, turn

TWO_PI = tl.constexpr(2 * math.pi)
CONVERGED = tl.constexpr(CONVERGED_DECREMENT**2)


@triton.jit
def canonical(pose, YAW: tl.constexpr):
    """A wrapped yaw, or a unit quaternion."""
    if YAW:
        turns = tl.floor(pose[3] / TWO_PI + 0.5)
        return pose[:3] + (pose[3] - turns * TWO_PI,)
    else:
        return pose[:3] + normalized(pose[3:])


@triton.jit(do_not_specialize=['num_objects', 'num_poses'])
def move_kernel(
    poses, offsets, moved, num_objects, num_poses,
    SHIFTED: tl.constexpr, SIGN: tl.constexpr, YAW: tl.constexpr,
    ROWS: tl.constexpr, POSES: tl.constexpr,
):  # fmt: skip
    """Poses (B, S, dim) in or out of the frames at offsets (B, 3): some poses a program."""
    dim: tl.constexpr = 4 if YAW else 7
    object_index = object_axis(ROWS, 3)
    number = tl.program_id(1) * POSES + pose_axis(ROWS, POSES)
    there = object_index < num_objects
    wanted = there & (number < num_poses)
    place = dim * (object_index * num_poses + number)
    pose = load_tuple(poses + place, wanted, dim)
    if SIGN < 0:
        pose = canonical(pose, YAW)
    if SHIFTED:
        offset = turn(rotation_of(pose, YAW), load_tuple(offsets + 3 * object_index, there, 3))
        position = ()
        for i in tl.static_range(3):
            position = position + (pose[i] + SIGN * offset[i],)
        pose = position + pose[3:]
    store_tuple(moved + place, pose, wanted)


@triton.jit
def turned_covariance(spread, turned, YAW: tl.constexpr):
    """Covariance, a lower triangle, of ``t - turned`` and the rotation instead of ``t``."""
    x, y, z = turned[0], turned[1], turned[2]
    zero = tl.zeros_like(x)
    if YAW:
        corner = ((-z, zero, x),)  # minus the motion of a turned point, by tangent coordinate
    else:
        x, y, z = x + x, y + y, z + z
        corner = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    size: tl.constexpr = 1 if YAW else 3
    cross, top = (), ()
    for k in tl.static_range(size):
        for a in tl.static_range(3):
            entry = spread[(3 + k) * (4 + k) // 2 + a]
            for m in tl.static_range(size):
                if m <= k:
                    entry += corner[m][a] * spread[(3 + k) * (4 + k) // 2 + 3 + m]
                else:
                    entry += corner[m][a] * spread[(3 + m) * (4 + m) // 2 + 3 + k]
            cross = cross + (entry,)
    for a in tl.static_range(3):
        for b in tl.static_range(a + 1):
            entry = spread[a * (a + 1) // 2 + b]
            for m in tl.static_range(size):
                entry += corner[m][a] * spread[(3 + m) * (4 + m) // 2 + b]
                entry += corner[m][b] * cross[3 * m + a]
            top = top + (entry,)
    lower = top
    for k in tl.static_range(size):
        lower = lower + cross[3 * k : 3 * k + 3]
        for m in tl.static_range(k + 1):
            lower = lower + (spread[(3 + k) * (4 + k) // 2 + 3 + m],)
    return lower


@triton.jit
def invert(systems, object_index, there, EPS: tl.constexpr, dof: tl.constexpr):
    """Covariance, a lower triangle, and gradient of Gauss-Newton systems (B, dof, dof + 1)."""
    damped, gradient = (), ()
    for i in tl.static_range(dof):
        row = load_tuple(systems + (object_index * dof + i) * (dof + 1), there, dof + 1)
        damped = damped + row[:i] + (row[i] + EPS,)
        gradient = gradient + (row[dof],)
    return inverse(damped, dof), gradient


@triton.jit
def store_symmetric(pointer, lower, there, dof: tl.constexpr):
    """Writes matrices, row by row, from their lower triangles."""
    for i in tl.static_range(dof):
        for j in tl.static_range(i + 1):
            entry = lower[i * (i + 1) // 2 + j]
            tl.store(pointer + i * dof + j, entry, mask=there)
            tl.store(pointer + j * dof + i, entry, mask=there)


@triton.jit(do_not_specialize=['num_objects'])
def covariance_kernel(
    systems, covariance, num_objects, EPS: tl.constexpr, DOF: tl.constexpr, ROWS: tl.constexpr
):
    """Covariances (B, DOF, DOF): some objects a program."""
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    spread, gradient = invert(systems, object_index, there, EPS, DOF)
    store_symmetric(covariance + object_index * DOF * DOF, spread, there, DOF)


@triton.jit(do_not_specialize=['num_objects'])
def conclude_kernel(
    poses, costs, systems, offsets, valid, out_pose, out_cost, out_covariance, out_converged,
    out_valid, num_objects,
    EPS: tl.constexpr, SHIFTED: tl.constexpr, YAW: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Everything that is told of a solution: some objects a program."""
    dof: tl.constexpr = 4 if YAW else 6
    dim: tl.constexpr = 4 if YAW else 7
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    spread, gradient = invert(systems, object_index, there, EPS, dof)
    decrement = tl.zeros_like(gradient[0])
    for i in tl.static_range(dof):
        for j in tl.static_range(i + 1):
            term = spread[i * (i + 1) // 2 + j] * gradient[i] * gradient[j]
            decrement += term if i == j else 2.0 * term
    pose = canonical(load_tuple(poses + dim * object_index, there, dim), YAW)
    if SHIFTED:
        offset = load_tuple(offsets + 3 * object_index, there, 3)
        turned = turn(rotation_of(pose, YAW), offset)
        spread = turned_covariance(spread, turned, YAW)
        pose = (pose[0] - turned[0], pose[1] - turned[1], pose[2] - turned[2]) + pose[3:]
    cost = tl.load(costs + object_index, mask=there, other=0.0)
    good = tl.load(valid + object_index, mask=there, other=0) != 0
    told = pose + spread + (cost,)
    for i in tl.static_range(len(told)):
        good = good & (tl.abs(told[i]) < float('inf'))
    zero = tl.zeros_like(cost)
    one = zero + 1.0
    identity, unit = (zero, zero, one), ()
    for i in tl.static_range(3, dim):
        identity = identity + (one if i == 3 and dim == 7 else zero,)
    for i in tl.static_range(dof):
        for j in tl.static_range(i + 1):
            unit = unit + (one if i == j else zero,)
    spread = select(good, spread, unit)
    store_tuple(out_pose + dim * object_index, select(good, pose, identity), there)
    tl.store(out_cost + object_index, tl.where(good, cost, 0.0), mask=there)
    store_symmetric(out_covariance + object_index * dof * dof, spread, there, dof)
    converged = good & (decrement < CONVERGED)
    tl.store(out_converged + object_index, converged.to(tl.uint8), mask=there)
    tl.store(out_valid + object_index, good.to(tl.uint8), mask=there)

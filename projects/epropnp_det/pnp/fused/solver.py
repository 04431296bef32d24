"""The iterative solvers: all iterations of a problem in one launch (docs/method.md 1.4)."""

from __future__ import annotations

import triton
import triton.language as tl

from .algebra import at_least, at_most, select, solve
from .axes import object_axis, over_points, point_axis
from .projection import (
    cost_of,
    load_points,
    load_tuple,
    load_view,
    project,
    retract,
    rotation_of,
    store_tuple,
    turn,
)

LEVENBERG = tl.constexpr(0)
"""Trust region."""
GAUSS = tl.constexpr(1)
"""Plain steps, whose last iterate is returned."""
GAUSS_BEST = tl.constexpr(2)
"""Plain steps, whose cheapest iterate is returned."""


@triton.jit
def zeros(like, COUNT: tl.constexpr):
    """A tuple of as many."""
    found = ()
    for _ in tl.static_range(COUNT):
        found = found + (tl.zeros_like(like),)
    return found


@triton.jit
def slopes(turned, view, near, u, along_x, along_y, YAW: tl.constexpr):
    """Derivatives of one image coordinate along the tangent coordinates.

    Turned about y, a point moves along ``(z, 0, -x)``; turned by a vector ``d``, along
    ``2 (R x) x d``.
    """
    x, y, z = turned[0], turned[1], turned[2]
    position = (along_x * near, along_y * near, -u * near)
    if YAW:
        return position + ((along_x * z + u * x) * near,)
    else:
        twice = near + near
        return position + (
            (along_y * z + u * y) * twice,
            (-along_x * z - u * x) * twice,
            (along_x * y - along_y * x) * twice,
        )


@triton.jit
def linearize(
    pose, view, data, rows, limits, YAW: tl.constexpr, CLIP: tl.constexpr, Z_MIN: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, INDEXED: tl.constexpr,
):  # fmt: skip
    """Cost, lower triangle of the Gauss-Newton system, and gradient.

    Args:
        pose: A tuple.
        view: See `load_view`.
        data: Pointers to points, image points, weights, and indices of the points.
        rows: Object and problem, and whether there is one.
        limits: Points per object and per problem.
        YAW: Whether it turns about y only.
        CLIP: Whether points that are clamped get no Jacobian.
        Z_MIN: Smallest depth.
        ROWS: Problems of a program.
        BLOCK: Points at once.
        INDEXED: Whether a problem has some of the points, which it names.
    """
    dof: tl.constexpr = 4 if YAW else 6
    x3d, x2d, w2d, indices = data
    object_index, problem, there = rows
    num_points, count = limits
    rotation = rotation_of(pose, YAW)
    cost, sums = tl.zeros_like(pose[0]), zeros(pose[0], dof * (dof + 3) // 2)
    for first in range(0, count, BLOCK):
        point = first + point_axis(ROWS, 2, BLOCK)
        mask = there & (point < count)
        if INDEXED:
            point = tl.load(indices + problem * count + point, mask=mask, other=0)
        points = load_points(x3d, x2d, w2d, object_index, point, num_points, mask)
        turned = turn(rotation, points)
        depth, near, image, error, distance, inner = project(turned, pose, points, view, Z_MIN)
        cost += over_points(cost_of(distance, inner), ROWS, 2)
        pull = inner / distance
        pull_u, pull_v = pull * points[5] * points[5], pull * points[6] * points[6]
        if CLIP:
            before = depth > Z_MIN
            pull_u = tl.where(before & (image[2] == image[0]), pull_u, 0.0)
            pull_v = tl.where(before & (image[3] == image[1]), pull_v, 0.0)
        by_u = slopes(turned, view, near, image[2], view[0], view[1], YAW)
        by_v = slopes(turned, view, near, image[3], view[2], view[3], YAW)
        grown, gradient = (), ()
        for i in tl.static_range(dof):
            pulled_u, pulled_v = pull_u * by_u[i], pull_v * by_v[i]
            for j in tl.static_range(i + 1):
                entry = over_points(pulled_u * by_u[j] + pulled_v * by_v[j], ROWS, 2)
                grown = grown + (sums[i * (i + 1) // 2 + j] + entry,)
            entry = over_points(pulled_u * error[0] + pulled_v * error[1], ROWS, 2)
            gradient = gradient + (sums[dof * (dof + 1) // 2 + i] + entry,)
        sums = grown + gradient
    return cost, sums


@triton.jit
def descend(
    system, radius, EPS: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr, dof: tl.constexpr
):
    """``-(H + D)^-1 g`` where ``D`` is ``EPS`` and the clamped diagonal of ``H`` by the radius."""
    damped, negative = (), ()
    for i in tl.static_range(dof):
        for j in tl.static_range(i):
            damped = damped + (system[i * (i + 1) // 2 + j],)
        entry = system[i * (i + 3) // 2]
        if HIGH > 0:
            damped = damped + (entry + (at_most(at_least(entry, LOW), HIGH) / radius + EPS),)
        else:
            damped = damped + (entry + EPS,)
        negative = negative + (-system[dof * (dof + 1) // 2 + i],)
    return solve(damped, negative, dof)


@triton.jit
def predicted_change(system, step, dof: tl.constexpr):
    """``step (g + H step / 2)``: of the cost, negative."""
    change = tl.zeros_like(step[0])
    for i in tl.static_range(dof):
        slope = system[dof * (dof + 1) // 2 + i] + 0.5 * system[i * (i + 3) // 2] * step[i]
        for j in tl.static_range(i):
            slope = slope + system[i * (i + 1) // 2 + j] * step[j]
        change = change + step[i] * slope
    return change


@triton.jit
def adapt(
    accept, ratio, radius, factor, EPS: tl.constexpr, MAX_RADIUS: tl.constexpr
):  # fmt: skip
    """Radius of the trust region after a step, and by what a refusal after that divides it."""
    turned = 2.0 * ratio - 1.0
    shrink = at_least(1.0 - turned * turned * turned, 1.0 / 3.0)
    grown = at_most(at_least(tl.where(accept, radius / shrink, radius), EPS), MAX_RADIUS)
    return tl.where(accept, grown, grown / factor), tl.where(accept, 2.0, 2.0 * factor)


@triton.jit
def store_system(systems, problem, system, there, dof: tl.constexpr):
    """Writes both triangles and the gradient, (dof, dof + 1)."""
    for i in tl.static_range(dof):
        row = systems + (problem * dof + i) * (dof + 1)
        tl.store(row + dof, system[dof * (dof + 1) // 2 + i], mask=there)
        for j in tl.static_range(i + 1):
            entry = system[i * (i + 1) // 2 + j]
            tl.store(row + j, entry, mask=there)
            tl.store(systems + (problem * dof + j) * (dof + 1) + i, entry, mask=there)


@triton.jit(do_not_specialize=['num_problems', 'per_object', 'num_points', 'count', 'num_iter'])
def solve_kernel(
    x3d, x2d, w2d, delta, camera, lower, upper, indices, start, poses, costs, systems,
    num_problems, per_object, num_points, count, num_iter,
    MIN_DIAGONAL: tl.constexpr, MAX_DIAGONAL: tl.constexpr, LEAST: tl.constexpr,
    FIRST_RADIUS: tl.constexpr, MAX_RADIUS: tl.constexpr, EPS: tl.constexpr, Z_MIN: tl.constexpr,
    METHOD: tl.constexpr, YAW: tl.constexpr, INDEXED: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Solves ``per_object`` problems of every object, `ROWS` of them a program.

    Args:
        x3d: (B, 3, N).
        x2d: (B, 2, N).
        w2d: (B, 2, N).
        delta: (B,).
        camera: (B, 3, 3).
        lower: (B, 2).
        upper: (B, 2).
        indices: Points of each problem, (B, P, k), where `INDEXED`.
        start: (B, P, dim).
        poses: Written, (B, P, dim).
        costs: Written but for `GAUSS`, (B, P).
        systems: Written but for `GAUSS`, (B, P, dof, dof + 1).
        num_problems: Of all objects.
        per_object: ``P``.
        num_points: ``N``.
        count: Points of a problem.
        num_iter: Iterations.
        MIN_DIAGONAL: This and the following are options of `LMSolver`.
        MAX_DIAGONAL: See there.
        LEAST: Smallest ratio of true to predicted decrease.
        FIRST_RADIUS: Of the trust region.
        MAX_RADIUS: Of the trust region.
        EPS: Added to every diagonal.
        Z_MIN: Smallest depth.
        METHOD: One of three.
        YAW: Whether poses turn about y only.
        INDEXED: Whether a problem has only some of the points.
        ROWS: Problems of a program.
        BLOCK: Points at once.
    """
    dof: tl.constexpr = 4 if YAW else 6
    dim: tl.constexpr = 4 if YAW else 7
    clip: tl.constexpr = METHOD == LEVENBERG
    problem = object_axis(ROWS, 2)
    there = problem < num_problems
    object_index = problem // per_object
    rows, limits = (object_index, problem, there), (num_points, count)
    data = (x3d, x2d, w2d, indices)
    view = load_view(delta, camera, lower, upper, object_index, there)
    pose = load_tuple(start + dim * problem, there, dim)
    zero = tl.zeros_like(pose[0])
    if METHOD == GAUSS:
        for _ in range(num_iter):
            cost, system = linearize(
                pose, view, data, rows, limits, YAW, clip, Z_MIN, ROWS, BLOCK, INDEXED
            )
            pose = retract(pose, descend(system, zero + 1.0, EPS, 0.0, 0.0, dof), YAW)
        store_tuple(poses + dim * problem, pose, there)
    else:
        # the start is accepted as if it were the first step
        trial, cost = pose, zero
        step, system = zeros(zero, dof), zeros(zero, dof * (dof + 3) // 2)
        radius, factor = zero + FIRST_RADIUS, zero + 2.0
        for iteration in range(num_iter + 1):
            trial_cost, trial_system = linearize(
                trial, view, data, rows, limits, YAW, clip, Z_MIN, ROWS, BLOCK, INDEXED
            )
            begins = iteration + tl.zeros_like(problem) == 0
            if METHOD == LEVENBERG:
                predicted = predicted_change(system, step, dof)
                ratio = (trial_cost - cost) / predicted
                accept = (ratio >= LEAST) & (predicted < 0.0)
                next_radius, next_factor = adapt(accept, ratio, radius, factor, EPS, MAX_RADIUS)
                radius = tl.where(begins, radius, next_radius)
                factor = tl.where(begins, factor, next_factor)
            else:
                accept = trial_cost < cost
            accept = accept | begins
            pose = select(accept, trial, pose)
            cost = tl.where(accept, trial_cost, cost)
            system = select(accept, trial_system, system)
            if METHOD == LEVENBERG:
                step = descend(system, radius, EPS, MIN_DIAGONAL, MAX_DIAGONAL, dof)
                trial = retract(pose, step, YAW)
            else:
                trial = retract(trial, descend(trial_system, radius, EPS, 0.0, 0.0, dof), YAW)
        store_tuple(poses + dim * problem, pose, there)
        tl.store(costs + problem, cost, mask=there)
        store_system(systems, problem, system, there, dof)

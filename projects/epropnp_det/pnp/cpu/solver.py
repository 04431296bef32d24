"""The iterative solvers, object by object (docs/method.md 1.4)."""

from __future__ import annotations

import math

import numpy as np

from .camera import empty_work, linearize, write_limits
from .jit import compiled, copy_row, copy_rows


@compiled
def solve_in_place(matrix, rhs):
    """Gaussian elimination with partial pivoting, ``rhs`` becomes the solution."""
    size = len(rhs)
    for k in range(size):
        pivot = k
        for row in range(k + 1, size):
            if abs(matrix[row, k]) > abs(matrix[pivot, k]):
                pivot = row
        if pivot != k:
            for column in range(size):
                matrix[k, column], matrix[pivot, column] = matrix[pivot, column], matrix[k, column]
            rhs[k], rhs[pivot] = rhs[pivot], rhs[k]
        for row in range(k + 1, size):
            factor = matrix[row, k] / matrix[k, k]
            for column in range(k + 1, size):
                matrix[row, column] -= factor * matrix[k, column]
            rhs[row] -= factor * rhs[k]
    for k in range(size - 1, -1, -1):
        total = rhs[k]
        for column in range(k + 1, size):
            total -= matrix[k, column] * rhs[column]
        rhs[k] = total / matrix[k, k]


@compiled
def retract(pose, step, moved):
    """Moves a pose along a tangent vector (docs/method.md 1.2)."""
    for axis in range(3):
        moved[axis] = pose[axis] + step[axis]
    if len(pose) == 4:
        moved[3] = pose[3] + step[3]
        return
    w, i, j, k = pose[3], pose[4], pose[5], pose[6]
    a, b, c = step[3], step[4], step[5]
    w, i, j, k = (
        w + i * a + j * b + k * c,
        i - w * a - k * b + j * c,
        j + k * a - w * b - i * c,
        k - j * a + i * b - w * c,
    )
    square = w * w + i * i + j * j + k * k
    if not square > 1e-12:
        w, i, j, k, square = 1.0, 0.0, 0.0, 0.0, 1.0
    norm = 1.0 / math.sqrt(square)
    moved[3], moved[4], moved[5], moved[6] = w * norm, i * norm, j * norm, k * norm


@compiled
def gauss_newton(x3d, x2d, w2d, camera, pose, system, options, keep_best, work, small):
    """Plain steps from ``pose``, which becomes the last iterate, or the cheapest.

    Returns:
        Its cost, where the cheapest is kept; ``system`` is then its own.
    """
    damped, step, moved, best, there = small
    dof, eps = system.shape[0], options[5]
    cost = math.inf
    if keep_best:
        cost = float(linearize(dof, x3d, x2d, w2d, camera, pose, False, work, system))
        copy_rows(system, there)
    copy_row(pose, best)
    for _ in range(int(options[6])):
        if not keep_best:
            linearize(dof, x3d, x2d, w2d, camera, pose, False, work, there)
        for row in range(dof):
            for column in range(dof):
                damped[row, column] = there[row, column]
            damped[row, row] += eps
            step[row] = -there[row, dof]
        solve_in_place(damped, step)
        retract(pose, step, moved)
        copy_row(moved, pose)
        if keep_best:
            now = float(linearize(dof, x3d, x2d, w2d, camera, pose, False, work, there))
            if now < cost:
                cost = now
                copy_row(pose, best)
                copy_rows(there, system)
    if keep_best:
        copy_row(best, pose)
    return cost


@compiled
def trust_region(x3d, x2d, w2d, camera, pose, system, options, work, small):
    """Levenberg-Marquardt from ``pose``, which becomes the result, and ``system`` its own.

    Returns:
        The cost there.
    """
    damped, step, moved, _, there = small
    dof = system.shape[0]
    low, high, least, radius, largest, eps = (
        options[0],
        options[1],
        options[2],
        options[3],
        options[4],
        options[5],
    )
    factor = 2.0
    cost = float(linearize(dof, x3d, x2d, w2d, camera, pose, True, work, system))
    for _ in range(int(options[6])):
        for row in range(dof):
            for column in range(dof):
                damped[row, column] = system[row, column]
            diagonal = system[row, row]
            diagonal = low if diagonal < low else diagonal
            diagonal = high if diagonal > high else diagonal
            damped[row, row] += diagonal / radius + eps
            step[row] = -system[row, dof]
        solve_in_place(damped, step)
        retract(pose, step, moved)
        now = float(linearize(dof, x3d, x2d, w2d, camera, moved, True, work, there))
        predicted = 0.0
        for row in range(dof):
            slope = system[row, dof]
            for column in range(dof):
                slope += 0.5 * system[row, column] * step[column]
            predicted += step[row] * slope
        ratio = (now - cost) / predicted
        if ratio >= least and predicted < 0.0:
            copy_row(moved, pose)
            copy_rows(there, system)
            cost = now
            shrink = 1.0 - (2.0 * ratio - 1.0) ** 3
            radius /= shrink if shrink > 1.0 / 3.0 else 1.0 / 3.0
            radius = eps if radius < eps else radius
            radius = largest if radius > largest else radius
            factor = 2.0
        else:
            radius = eps if radius < eps else radius
            radius = largest if radius > largest else radius
            radius /= factor
            factor *= 2.0
    return cost


@compiled
def empty_small(dof, dim):
    """What an iteration writes to: damped matrix, step, moved and best pose, and a system."""
    moved, best = np.empty(dim), np.empty(dim)
    return np.empty((dof, dof)), np.empty(dof), moved, best, np.empty((dof, dof + 1))


@compiled
def solve_range(start, stop, x3d, x2d, w2d, delta, camera, lower, upper, options, fast, out):
    """Solves some objects with all of their points.

    Args:
        start: First object.
        stop: The one after the last.
        x3d: (B, 3, N).
        x2d: (B, 2, N).
        w2d: (B, 2, N).
        delta: (B,).
        camera: (B, 3, 3).
        lower: (B, 2).
        upper: (B, 2).
        options: Of the solver, see `pack_options`.
        fast: Whether Gauss-Newton.
        out: Poses (B, dim), which start where the solver does, costs (B,) and systems
            (B, dof, dof + 1).
    """
    poses, costs, systems = out
    dof = systems.shape[1]
    work = empty_work(dof, x3d.shape[2], x3d)
    pose, system = np.empty(poses.shape[1]), np.empty((dof, dof + 1))
    small = empty_small(dof, poses.shape[1])
    for index in range(start, stop):
        write_limits(work[3], delta[index], options[7], lower[index], upper[index])
        copy_row(poses[index], pose)
        points = (x3d[index], x2d[index], w2d[index], camera[index])
        if fast:
            cost = gauss_newton(*points, pose, system, options, True, work, small)
        else:
            cost = trust_region(*points, pose, system, options, work, small)
        copy_row(pose, poses[index])
        costs[index] = cost
        copy_rows(system, systems[index])


@compiled
def solve_subsets_range(
    start, stop, x3d, x2d, w2d, delta, camera, lower, upper, indices, options, fast, poses
):
    """Solves the subsets (B, P, k) of some objects; ``poses`` (B, P, dim) become the results."""
    num_subsets, size = indices.shape[1:]
    dim = poses.shape[2]
    dof = 4 if dim == 4 else 6
    work = empty_work(dof, size, x3d)
    pose, system = np.empty(dim), np.empty((dof, dof + 1))
    small = empty_small(dof, dim)
    some3d = np.empty((3, size), x3d.dtype)
    some2d, weights = np.empty((2, size), x3d.dtype), np.empty((2, size), x3d.dtype)
    for index in range(start, stop):
        write_limits(work[3], delta[index], options[7], lower[index], upper[index])
        for subset in range(num_subsets):
            for n in range(size):
                point = indices[index, subset, n]
                for axis in range(3):
                    some3d[axis, n] = x3d[index, axis, point]
                for axis in range(2):
                    some2d[axis, n] = x2d[index, axis, point]
                    weights[axis, n] = w2d[index, axis, point]
            copy_row(poses[index, subset], pose)
            points = (some3d, some2d, weights, camera[index])
            if fast:
                gauss_newton(*points, pose, system, options, False, work, small)
            else:
                trust_region(*points, pose, system, options, work, small)
            copy_row(pose, poses[index, subset])

"""The iterative solvers, a block of problems at a time (docs/method.md 1.4)."""

from __future__ import annotations

import numpy as np

from .jit import compiled
from .lanes import (
    ACCEPT,
    COST,
    DAMPED,
    DELTA,
    FACTOR,
    FIELDS,
    GRADIENT,
    LANES,
    LOWER,
    NOW,
    POSE,
    RADIUS,
    ROWS,
    SKEW,
    SPARE,
    STEP,
    SYSTEM,
    THERE,
    TRIAL,
    UPPER,
    WIDTH,
    copy,
    linearize,
    load_point,
    retract,
    solve_damped,
)

MIN_DIAGONAL, MAX_DIAGONAL, LEAST, FIRST_RADIUS, MAX_RADIUS, EPS, Z_MIN = range(7)
"""Where the numbers of the options are."""
LEVENBERG, GAUSS, GAUSS_BEST = range(3)
"""Trust region; plain steps, whose last iterate is returned; those whose cheapest is."""


@compiled
def iterate(turn, method, points, options, num_iter, state):
    """Solves a block from its trial poses; writes poses, and costs and systems but for `GAUSS`."""
    flat, rows = state
    zero, one = flat.dtype.type(0), flat.dtype.type(1)
    dof = 4 if turn is None else 6
    keep = zero if method == LEVENBERG else one
    source, pose = (SYSTEM, POSE) if method == LEVENBERG else (THERE, TRIAL)
    for lane in range(LANES):
        rows[ACCEPT, lane] = one
        rows[RADIUS, lane] = options[FIRST_RADIUS]
        rows[FACTOR, lane] = one + one
    for iteration in range(num_iter + 1):
        if iteration < num_iter or method != GAUSS:
            linearize(turn, points, keep, options[Z_MIN], state)
        if iteration > 0 and method == LEVENBERG:
            _judge(state, dof, options)
        elif iteration > 0:
            for lane in range(LANES):
                rows[ACCEPT, lane] = one if rows[NOW, lane] < rows[COST, lane] else zero
        if method != GAUSS:
            _accept(rows, dof)
        if iteration < num_iter:
            _damp(rows, source, dof, method, options)
            solve_damped(rows, dof)
            retract(turn, state, pose)
    if method == GAUSS:
        for axis in range(7):
            copy(rows[TRIAL + axis], rows[POSE + axis])


@compiled
def _damp(rows, source, dof, method, options):
    """Copies a system with more on its diagonal."""
    low, high, eps = options[MIN_DIAGONAL], options[MAX_DIAGONAL], options[EPS]
    for row in range(dof):
        for column in range(row + 1):
            copy(rows[source + WIDTH * row + column], rows[DAMPED + WIDTH * row + column])
        gradient = WIDTH * row + GRADIENT
        copy(rows[source + gradient], rows[DAMPED + gradient])
        target, radius = rows[DAMPED + (WIDTH + 1) * row], rows[RADIUS]
        for lane in range(LANES):
            diagonal = target[lane]
            damping = eps
            if method == LEVENBERG:
                clamped = low if diagonal < low else diagonal
                damping += (high if clamped > high else clamped) / radius[lane]
            target[lane] = diagonal + damping


@compiled
def _judge(state, dof, options):
    """Writes to `ACCEPT` whether the cost fell as predicted, and adapts the trust region."""
    flat, rows = state
    kind = flat.dtype.type
    zero, one, half = kind(0), kind(1), kind(0.5)
    two, third = one + one, one / kind(3)
    least, eps, largest = options[LEAST], options[EPS], options[MAX_RADIUS]
    change, slope = rows[ACCEPT], rows[SPARE]
    for lane in range(LANES):
        change[lane] = zero
    for row in range(dof):
        copy(rows[SYSTEM + WIDTH * row + GRADIENT], slope)
        for column in range(row + 1):
            share = half if column == row else one
            entry, step = rows[SYSTEM + WIDTH * row + column], rows[STEP + column]
            for lane in range(LANES):
                slope[lane] += share * entry[lane] * step[lane]
        step = rows[STEP + row]
        for lane in range(LANES):
            change[lane] += step[lane] * slope[lane]
    for lane in range(LANES):
        predicted = flat[ACCEPT * LANES + lane]  # negative
        ratio = (flat[NOW * LANES + lane] - flat[COST * LANES + lane]) / predicted
        good = (ratio >= least) & (predicted < zero)
        flat[ACCEPT * LANES + lane] = one if good else zero
        radius, factor = flat[RADIUS * LANES + lane], flat[FACTOR * LANES + lane]
        turned = two * ratio - one
        shrink = one - turned * turned * turned
        radius = radius / (shrink if shrink > third else third) if good else radius
        radius = eps if radius < eps else radius
        radius = largest if radius > largest else radius
        flat[RADIUS * LANES + lane] = radius if good else radius / factor
        flat[FACTOR * LANES + lane] = two if good else two * factor


@compiled
def _accept(rows, dof):
    """Makes the trial poses the current ones where they are accepted."""
    accept = rows[ACCEPT]
    for row in range(7):
        _take(accept, rows[TRIAL + row], rows[POSE + row])
    _take(accept, rows[NOW], rows[COST])
    for row in range(dof):
        for column in range(row + 1):
            _take(accept, rows[THERE + WIDTH * row + column], rows[SYSTEM + WIDTH * row + column])
        gradient = WIDTH * row + GRADIENT
        _take(accept, rows[THERE + gradient], rows[SYSTEM + gradient])


@compiled
def _take(accept, source, target):
    zero = target.dtype.type(0)
    for lane in range(LANES):
        target[lane] = source[lane] if accept[lane] > zero else target[lane]


@compiled
def solve_range(
    start,
    stop,
    turn,
    x3d,
    x2d,
    w2d,
    delta,
    camera,
    lower,
    upper,
    indices,
    method,
    options,
    num_iter,
    out,
):
    """Solves problems that have some of the points, or all.

    Args:
        start: First object.
        stop: The one after the last.
        turn: None for yaw, anything else for quaternions.
        x3d: (B, 3, N).
        x2d: (B, 2, N).
        w2d: (B, 2, N).
        delta: (B,).
        camera: (B, 3, 3).
        lower: (B, 2).
        upper: (B, 2).
        indices: Points of each problem, (B, P, k).
        method: One of three.
        options: Of the solver and ``z_min``.
        num_iter: Iterations.
        out: Poses (B, P, dim), which start where the solver does; but for `GAUSS` costs (B, P) and
            systems (B, P, dof, dof + 1), too.
    """
    poses, costs, systems = out
    num_problems, count = indices.shape[1:]
    points = np.empty((count, FIELDS * LANES), x3d.dtype)
    flat = np.zeros(ROWS * LANES, x3d.dtype)
    rows = flat.reshape((ROWS, LANES))
    end = stop * num_problems
    for first in range(start * num_problems, end, LANES):
        for lane in range(LANES):  # what is left of the last block repeats the last problem
            index, problem = divmod(min(first + lane, end - 1), num_problems)
            chosen = indices[index, problem]
            for n in range(count):
                load_point(points[n], lane, x3d[index], x2d[index], w2d[index], chosen[n])
            rows[DELTA, lane] = delta[index]
            for axis in range(2):
                rows[SKEW + axis, lane] = camera[index, 0, axis]
                rows[SKEW + 2 + axis, lane] = camera[index, 1, axis]
                rows[LOWER + axis, lane] = lower[index, axis]
                rows[UPPER + axis, lane] = upper[index, axis]
            for axis in range(poses.shape[2]):
                rows[TRIAL + axis, lane] = poses[index, problem, axis]
        iterate(turn, method, points, options, num_iter, (flat, rows))
        for number in range(first, min(first + LANES, end)):
            index, problem = divmod(number, num_problems)
            for axis in range(poses.shape[2]):
                poses[index, problem, axis] = rows[POSE + axis, number - first]
            if method != GAUSS:
                costs[index, problem] = rows[COST, number - first]
                _write_system(rows, number - first, systems[index, problem])


@compiled
def _write_system(rows, lane, system):
    """Writes both triangles and the gradient, (dof, dof + 1)."""
    dof = len(system)
    for row in range(dof):
        system[row, dof] = rows[SYSTEM + WIDTH * row + GRADIENT, lane]
        for column in range(row + 1):
            entry = rows[SYSTEM + WIDTH * row + column, lane]
            system[row, column] = system[column, row] = entry

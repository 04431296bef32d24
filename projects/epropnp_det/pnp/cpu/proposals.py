"""Proposals of the importance sampler for one object (docs/method.md 1.8).

A proposal is a row of numbers: the position's location (3), inverse factor (9, row by row), factor
(9) and log of the factor's determinant, then of the yaw the mode, concentration and log-constant,
or of the quaternion inverse factor (16), factor (16) and log of the determinant.
"""

from __future__ import annotations

import math

import numpy as np

from ..proposals import ACG_STEPS, BROADENING, DISPERSION
from .jit import compiled, copy_rows, fill_row
from .solver import solve_in_place

ROTATION = 22
"""Where the orientation begins."""
LENGTH = ROTATION + 33
LOG_2PI = math.log(2 * math.pi)
STUDENT = math.lgamma(3.0) - math.lgamma(1.5) - 1.5 * math.log(3 * math.pi)


@compiled
def factorize(matrix, row, first):
    """Writes inverse factor, factor and log-determinant of ``matrix`` to ``row[first:]``.

    Returns:
        Whether there is a Cholesky factor; without, nothing of meaning is written.
    """
    size = len(matrix)
    inverse, factor = row[first : first + size * size], row[first + size * size :]
    fill_row(row[first : first + 2 * size * size], 0.0)
    log_det = 0.0
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i * size + k] * factor[j * size + k]
            if i > j:
                factor[i * size + j] = total / factor[j * size + j]
            else:
                if not (total > 0.0 and total < math.inf):
                    return False
                factor[i * size + i] = math.sqrt(total)
                log_det += 0.5 * math.log(total)
    for column in range(size):
        for i in range(column, size):
            total = 1.0 if i == column else 0.0
            for k in range(column, i):
                total -= factor[i * size + k] * inverse[k * size + column]
            inverse[i * size + column] = total / factor[i * size + i]
    row[first + 2 * size * size] = log_det
    return True


@compiled
def invert(matrix, inverse):
    """Writes the inverse of a small matrix."""
    size = len(matrix)
    work, unit = np.empty((size, size)), np.empty(size)
    for column in range(size):
        copy_rows(matrix, work)
        fill_row(unit, 0.0)
        unit[column] = 1.0
        solve_in_place(work, unit)
        for row in range(size):
            inverse[row, column] = unit[row]


@compiled
def set_position(row, location, covariance, dim):
    """Student-t about ``location``; where ``covariance`` has no factor, a fixed one."""
    row[0], row[1], row[2] = location[0], location[1], location[2]
    if not factorize(covariance, row, 3):
        fallback = np.zeros((3, 3))
        fallback[0, 0] = fallback[1, 1] = 1.0
        fallback[2, 2] = 16.0 if dim == 4 else 1.0
        factorize(fallback, row, 3)


@compiled
def set_yaw(row, mode, concentration):
    """Von Mises-uniform mixture about ``mode``."""
    row[ROTATION], row[ROTATION + 1] = mode, concentration
    row[ROTATION + 2] = math.log(0.75) - LOG_2PI - log_i0e(concentration)


@compiled
def set_quaternion(row, scatter):
    """Angular central Gaussian of ``scatter`` (4, 4), dispersed."""
    determinant = _determinant(scatter)
    spread = DISPERSION * math.sqrt(math.sqrt(determinant if determinant > 0.0 else 0.0))
    for axis in range(4):
        scatter[axis, axis] += spread
    if not factorize(scatter, row, ROTATION):
        for axis in range(4):
            for other in range(4):
                scatter[axis, other] = 1.0 if axis == other else 0.0
        factorize(scatter, row, ROTATION)


@compiled
def _determinant(matrix):
    size, result = len(matrix), 1.0
    work = np.empty((size, size))
    copy_rows(matrix, work)
    for k in range(size):
        pivot = k
        for i in range(k + 1, size):
            if abs(work[i, k]) > abs(work[pivot, k]):
                pivot = i
        if pivot != k:
            result = -result
            for j in range(size):
                work[k, j], work[pivot, j] = work[pivot, j], work[k, j]
        result *= work[k, k]
        if work[k, k] == 0.0:
            return 0.0
        for i in range(k + 1, size):
            factor = work[i, k] / work[k, k]
            for j in range(k, size):
                work[i, j] -= factor * work[k, j]
    return result


@compiled
def log_i0e(value):
    """Log of ``exp(-x) I_0(x)``: its series, or its asymptotic expansion where that is exact."""
    total, term, k = 1.0, 1.0, 1.0
    if value < 20.0:
        while term > 1e-17 * total:
            term *= (0.5 * value / k) ** 2
            total += term
            k += 1.0
        return math.log(total) - value
    while term > 1e-17 and k < 30.0:
        term *= (2.0 * k - 1.0) ** 2 / (8.0 * k * value)
        total += term
        k += 1.0
    return math.log(total) - 0.5 * math.log(2.0 * math.pi * value)


@compiled
def initial(pose, covariance, row):
    """Laplace-like proposal around a solution."""
    set_position(row, pose[:3], covariance[:3, :3], len(pose))
    if len(pose) == 4:
        variance = covariance[3, 3]
        set_yaw(row, pose[3], BROADENING / (variance if variance > 1e-5 else 1e-5))
        return
    w, i, j, k = pose[3], pose[4], pose[5], pose[6]
    tangent, information, inverse = np.empty((4, 3)), np.empty((3, 3)), np.zeros((4, 4))
    tangent[0, 0], tangent[0, 1], tangent[0, 2] = i, j, k
    tangent[1, 0], tangent[1, 1], tangent[1, 2] = -w, -k, j
    tangent[2, 0], tangent[2, 1], tangent[2, 2] = k, -w, -i
    tangent[3, 0], tangent[3, 1], tangent[3, 2] = -j, i, -w
    invert(covariance[3:, 3:], information)
    for a in range(4):
        inverse[a, a] = 1.0
        for b in range(4):
            for c in range(3):
                for d in range(3):
                    inverse[a, b] += tangent[a, c] * information[c, d] * tangent[b, d]
    scatter = np.empty((4, 4))
    invert(inverse, scatter)
    trace = scatter[0, 0] + scatter[1, 1] + scatter[2, 2] + scatter[3, 3]
    for a in range(4):
        for b in range(4):
            scatter[a, b] /= trace
    set_quaternion(row, scatter)


@compiled
def refit(poses, weights, row):
    """Proposal that matches the moments of weighted poses, (n, dim) and (n,)."""
    mean, covariance = np.zeros(3), np.zeros((3, 3))
    count, dim = poses.shape
    for n in range(count):
        for a in range(3):
            mean[a] += weights[n] * poses[n, a]
    for n in range(count):
        for a in range(3):
            for b in range(a + 1):
                covariance[a, b] += weights[n] * (poses[n, a] - mean[a]) * (poses[n, b] - mean[b])
    set_position(row, mean, covariance, dim)
    if dim == 4:
        sine, cosine = 0.0, 0.0
        for n in range(count):
            sine += weights[n] * math.sin(poses[n, 3])
            cosine += weights[n] * math.cos(poses[n, 3])
        square = sine * sine + cosine * cosine
        spread, length = max(1.0 - square, 1e-5), max(math.sqrt(square), 1e-5)
        set_yaw(row, math.atan2(sine, cosine), BROADENING * length * (2.0 - square) / spread)
        return
    scatter, moment = np.zeros((4, 4)), np.empty((4, 4))
    for axis in range(4):
        scatter[axis, axis] = 1.0
    for _ in range(ACG_STEPS):
        _acg_step(poses, weights, scatter, moment)
    set_quaternion(row, scatter)


@compiled
def _acg_step(poses, weights, scatter, moment):
    """One fixed-point step of the angular central Gaussian's maximum likelihood fit."""
    inverse = np.empty((4, 4))
    invert(scatter, inverse)
    total = 0.0
    for a in range(4):
        fill_row(moment[a], 0.0)
    for n in range(len(poses)):
        distance = 0.0
        for a in range(4):
            for b in range(4):
                distance += poses[n, 3 + a] * inverse[a, b] * poses[n, 3 + b]
        share = weights[n] / (distance if distance > 1e-5 else 1e-5)
        total += share
        for a in range(4):
            for b in range(4):
                moment[a, b] += share * poses[n, 3 + a] * poses[n, 3 + b]
    for a in range(4):
        for b in range(4):
            scatter[a, b] = moment[a, b] / total
        scatter[a, a] += 1e-5


@compiled
def log_density(row, pose):
    """Of one pose under a proposal."""
    square = 0.0
    for i in range(3):
        white = 0.0
        for j in range(i + 1):
            white += row[3 + 3 * i + j] * (pose[j] - row[j])
        square += white * white
    position = STUDENT - row[21] - 3.0 * math.log1p(square / 3.0)
    if len(pose) == 4:
        half_sine = math.sin(0.5 * (pose[3] - row[ROTATION]))
        peak = row[ROTATION + 2] - 2.0 * row[ROTATION + 1] * half_sine * half_sine
        flat = math.log(0.25) - LOG_2PI
        high, low = max(peak, flat), min(peak, flat)
        return position + high + math.log1p(math.exp(low - high))
    square = 0.0
    for i in range(4):
        white = 0.0
        for j in range(i + 1):
            white += row[ROTATION + 4 * i + j] * pose[3 + j]
        square += white * white
    return position - row[ROTATION + 32] - 2.0 * math.log(square) - math.log(2.0 * math.pi**2)


@compiled
def sample(row, normal, uniform, poses):
    """Writes poses (n, dim) made of random numbers (n, 6 or 10) and (m,)."""
    count, dim = poses.shape
    for n in range(count):
        chi_square = normal[n, 3] ** 2 + normal[n, 4] ** 2 + normal[n, 5] ** 2
        length = math.sqrt(3.0 / (chi_square if chi_square > 1e-20 else 1e-20))
        for i in range(3):
            total = row[i]
            for j in range(i + 1):
                total += row[12 + 3 * i + j] * normal[n, j] * length
            poses[n, i] = total
        if dim == 7:
            _quaternion(row, normal[n], poses[n])
    if dim == 4:
        _yaws(row, uniform, poses)


@compiled
def _quaternion(row, normal, pose):
    square = 0.0
    drawn = np.empty(4)
    for i in range(4):
        total = 0.0
        for j in range(i + 1):
            total += row[ROTATION + 16 + 4 * i + j] * normal[6 + j]
        drawn[i] = total
        square += total * total
    if not square > 1e-12:
        fill_row(drawn, 0.0)
        drawn[0] = square = 1.0
    for i in range(4):
        pose[3 + i] = drawn[i] / math.sqrt(square)


@compiled
def _yaws(row, uniform, poses):
    """A share uniform, the rest von Mises; see `distributions.von_mises`."""
    count = len(poses)
    num_uniform = int(round(0.25 * count))
    for n in range(num_uniform):
        poses[n, 3] = (uniform[n] - 0.5) * 2.0 * math.pi
    num_candidates = (len(uniform) - num_uniform) // 2
    kappa = max(row[ROTATION + 1], 1e-6)
    root = math.sqrt(1.0 + 4.0 * kappa * kappa)
    tau = 1.0 + root
    rho = 2.0 * kappa / (math.sqrt(tau) * (math.sqrt(tau) + math.sqrt(2.0)))
    excess = (math.sqrt(2.0 * tau) - 1.0 - 1.0 / (root + 2.0 * kappa)) / (2.0 * kappa)
    one_minus_rho = excess if kappa > 1.0 else 1.0 - rho
    n = num_uniform
    for wanted in (True, False):  # refused candidates only where the others run out
        for candidate in range(num_candidates):
            if n == count:
                return
            angle = math.pi * (uniform[num_uniform + candidate] - 0.5)
            half_tan = math.tan(angle) * (one_minus_rho / (1.0 + rho))
            versine = 2.0 * half_tan * half_tan / (1.0 + half_tan * half_tan)
            c = kappa * (one_minus_rho * one_minus_rho / (2.0 * rho) + versine)
            level = max(uniform[num_uniform + num_candidates + candidate], 1e-38)
            accepted = math.log(c / level) + 1.0 - c >= 0.0
            if accepted == wanted:
                poses[n, 3] = row[ROTATION] + 2.0 * math.atan(half_tan)
                n += 1

"""Proposals of the importance sampler for one object (docs/method.md 1.8).

A proposal is a row of numbers: the position's location (3), inverse factor (9, row by row), factor
(9) and log of the factor's determinant, then of the yaw the mode, concentration and log-constant,
or of the quaternion inverse factor (16), factor (16) and log of the determinant.
"""

from __future__ import annotations

import math

import numpy as np

from ..proposals import ACG_STEPS, BROADENING, DISPERSION
from .camera import quaternion_rotation, yaw_rotation
from .jit import compiled, fill_row

ROTATION = 22
"""Where the orientation begins."""
LENGTH = ROTATION + 33
LOG_2PI = math.log(2 * math.pi)
FLAT = 0.25 / (2 * math.pi)
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
    """Writes the inverse of a small positive definite matrix, and returns the determinant."""
    size, determinant = len(matrix), 1.0
    for row in range(size):
        for column in range(size):
            inverse[row, column] = matrix[row, column]
    for k in range(size):  # Gauss-Jordan in place
        pivot = inverse[k, k]
        determinant *= pivot
        inverse[k, k] = 1.0
        for column in range(size):
            inverse[k, column] /= pivot
        for row in range(size):
            if row != k:
                factor = inverse[row, k]
                inverse[row, k] = 0.0
                for column in range(size):
                    inverse[row, column] -= factor * inverse[k, column]
    return determinant


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
def set_quaternion(row, scatter, scratch):
    """Angular central Gaussian of ``scatter`` (4, 4), dispersed; ``scratch`` is as large."""
    determinant = invert(scatter, scratch)
    spread = DISPERSION * math.sqrt(math.sqrt(determinant if determinant > 0.0 else 0.0))
    for axis in range(4):
        scatter[axis, axis] += spread
    if not factorize(scatter, row, ROTATION):
        for axis in range(4):
            for other in range(4):
                scatter[axis, other] = 1.0 if axis == other else 0.0
        factorize(scatter, row, ROTATION)


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
def initial(turn, pose, covariance, row):
    """Laplace-like proposal around a solution."""
    set_position(row, pose[:3], covariance[:3, :3], len(pose))
    if turn is None:
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
    set_quaternion(row, scatter, inverse)


@compiled
def refit(turn, samples, count, weights, row):
    """Proposal that matches the moments of the first samples, see `keep_samples`, with weights."""
    mean, covariance = np.empty(3), np.empty((3, 3))
    for a in range(3):
        mean[a] = weighted_mean(samples[a], count, weights)
    for a in range(3):
        for b in range(a + 1):
            total = 0.0
            one, other = samples[a], samples[b]
            for n in range(count):
                total += weights[n] * (one[n] - mean[a]) * (other[n] - mean[b])
            covariance[a, b] = total
    set_position(row, mean, covariance, 4 if turn is None else 7)
    if turn is None:
        cosine = weighted_mean(samples[3], count, weights)
        sine = weighted_mean(samples[4], count, weights)
        square = sine * sine + cosine * cosine
        spread, length = max(1.0 - square, 1e-5), max(math.sqrt(square), 1e-5)
        set_yaw(row, math.atan2(sine, cosine), BROADENING * length * (2.0 - square) / spread)
        return
    scatter, moment = np.zeros((4, 4)), np.empty((4, 4))
    for axis in range(4):
        scatter[axis, axis] = 1.0
    for _ in range(ACG_STEPS):
        _acg_step(samples, count, weights, scatter, moment)
    set_quaternion(row, scatter, moment)


@compiled
def weighted_mean(row, count, weights):
    """Sum of the first numbers of a row times their weights."""
    total = 0.0
    for n in range(count):
        total += weights[n] * row[n]
    return total


@compiled
def _acg_step(samples, count, weights, scatter, moment):
    """One fixed-point step of the angular central Gaussian's maximum likelihood fit."""
    inverse = np.empty((4, 4))
    invert(scatter, inverse)
    total = 0.0
    for a in range(4):
        fill_row(moment[a], 0.0)
    for n in range(count):
        distance = 0.0
        for a in range(4):
            for b in range(4):
                distance += samples[3 + a, n] * inverse[a, b] * samples[3 + b, n]
        share = weights[n] / (distance if distance > 1e-5 else 1e-5)
        total += share
        for a in range(4):
            for b in range(4):
                moment[a, b] += share * samples[3 + a, n] * samples[3 + b, n]
    for a in range(4):
        for b in range(4):
            scatter[a, b] = moment[a, b] / total
        scatter[a, a] += 1e-5


@compiled
def log_peak(turn, row):
    """Logarithm of what multiplies the shapes in `add_density`."""
    if turn is None:
        return STUDENT - row[21]
    return STUDENT - row[21] - row[ROTATION + 32] - math.log(2.0 * math.pi**2)


@compiled
def add_density(turn, row, shift, samples, first, last, mixture):
    """Adds a proposal's density at some samples, times ``exp(shift)``, to ``mixture``.

    Args:
        turn: None for yaw, anything else for quaternions.
        row: The proposal.
        shift: Keeps the densities of all proposals of an object within range.
        samples: Positions and cosine and sine of the yaw, or quaternions, (5 or 7, S).
        first: Sample.
        last: The one after the last.
        mixture: (S,).
    """
    scale = math.exp(min(max(log_peak(turn, row) + shift, -600.0), 600.0))
    a, b, c, d, e, f = row[3], row[6], row[7], row[9], row[10], row[11]
    if turn is None:
        cosine, sine = math.cos(row[ROTATION]), math.sin(row[ROTATION])
        concentration, peak = row[ROTATION + 1], row[ROTATION + 2]
    factor = row[ROTATION : ROTATION + 16]
    for n in range(first, last):
        x, y, z = samples[0, n] - row[0], samples[1, n] - row[1], samples[2, n] - row[2]
        one, two, three = a * x, b * x + c * y, d * x + e * y + f * z
        tail = 1.0 + (one * one + two * two + three * three) / 3.0
        density = scale / (tail * tail * tail)
        if turn is None:
            versine = 1.0 - (samples[3, n] * cosine + samples[4, n] * sine)
            density *= math.exp(peak - concentration * versine) + FLAT
        else:
            square = 0.0
            for i in range(4):
                white = 0.0
                for j in range(i + 1):
                    white += factor[4 * i + j] * samples[3 + j, n]
                square += white * white
            density /= square * square
        mixture[n] += density


@compiled
def keep_samples(turn, poses, first, last, samples):
    """Writes some poses (S, dim) as `add_density` takes them."""
    for n in range(first, last):
        for axis in range(3):
            samples[axis, n] = poses[n, axis]
        if turn is None:
            yaw = float(poses[n, 3])
            samples[3, n], samples[4, n] = math.cos(yaw), math.sin(yaw)
        else:
            for axis in range(3, 7):
                samples[axis, n] = poses[n, axis]


@compiled
def turn_sample(turn, samples, n, rotation):
    """Writes the rotation matrix of a sample, (3, 3)."""
    if turn is None:
        yaw_rotation(samples[3, n], samples[4, n], rotation)
    else:
        quaternion_rotation(samples[3, n], samples[4, n], samples[5, n], samples[6, n], rotation)


@compiled
def sample(turn, row, normal, uniform, poses):
    """Writes poses (n, dim) made of random numbers (n, 6 or 10) and (m,)."""
    for n in range(len(poses)):
        chi_square = normal[n, 3] ** 2 + normal[n, 4] ** 2 + normal[n, 5] ** 2
        length = math.sqrt(3.0 / (chi_square if chi_square > 1e-20 else 1e-20))
        for i in range(3):
            total = row[i]
            for j in range(i + 1):
                total += row[12 + 3 * i + j] * normal[n, j] * length
            poses[n, i] = total
        if turn is not None:
            _quaternion(row, normal[n], poses[n])
    if turn is None:
        _yaws(row, uniform, poses)


@compiled
def _quaternion(row, normal, pose):
    factor = row[ROTATION + 16 : ROTATION + 32]
    w = factor[0] * normal[6]
    i = factor[4] * normal[6] + factor[5] * normal[7]
    j = factor[8] * normal[6] + factor[9] * normal[7] + factor[10] * normal[8]
    k = factor[12] * normal[6] + factor[13] * normal[7] + factor[14] * normal[8]
    k += factor[15] * normal[9]
    square = w * w + i * i + j * j + k * k
    if not square > 1e-12:
        w, i, j, k, square = 1.0, 0.0, 0.0, 0.0, 1.0
    norm = 1.0 / math.sqrt(square)
    pose[3], pose[4], pose[5], pose[6] = w * norm, i * norm, j * norm, k * norm


@compiled
def _yaws(row, uniform, poses):
    """A share uniform, the rest von Mises; see `distributions.von_mises`."""
    count = len(poses)
    num_uniform = int(round(0.25 * count))
    for n in range(num_uniform):
        poses[n, 3] = (uniform[n] - 0.5) * 2.0 * math.pi
    num_candidates = (len(uniform) - num_uniform) // 2
    twice = 2.0 * max(row[ROTATION + 1], 1e-6)
    # kappa (r - 1) of the paper's r = (1 + root) / (2 kappa), without its cancellation
    least = 0.5 * (1.0 / (math.sqrt(1.0 + twice * twice) + twice) + 1.0)
    narrow = math.sqrt(least / (least + twice))
    n = num_uniform
    for wanted in (True, False):  # refused candidates only where the others run out
        for candidate in range(num_candidates):
            if n == count:
                return
            angle = math.pi * (uniform[num_uniform + candidate] - 0.5)
            half_tan = math.tan(angle) * narrow
            square = half_tan * half_tan
            c = least + twice * (square / (1.0 + square))  # of the sine of half the angle
            level = max(uniform[num_uniform + num_candidates + candidate], 1e-38)
            accepted = math.log(c / level) + 1.0 - c >= 0.0
            if accepted == wanted:
                poses[n, 3] = row[ROTATION] + 2.0 * math.atan(half_tan)
                n += 1

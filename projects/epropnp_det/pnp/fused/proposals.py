"""Proposals of the importance sampler inside a kernel (docs/method.md 1.8).

A proposal is a tuple: location (3), factor of the position (6), logarithm of its density's peak,
then of the yaw the mode, concentration and logarithm of the peak, or of the quaternion the factor
(10) and logarithm of the peak. Every entry belongs to an object.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

from ..distributions import LOG_2PI, UNIFORM_MIX
from ..proposals import ACG_STEPS, BROADENING, DISPERSION
from .algebra import (
    at_least,
    atan2,
    cholesky_or,
    determinant,
    inverse,
    log_determinant,
    whitened_square,
)
from .axes import over_poses
from .projection import normalized

WIDTH = tl.constexpr(21)
"""Numbers of the longer one."""
STUDENT = tl.constexpr(math.lgamma(3.0) - math.lgamma(1.5) - 1.5 * math.log(3 * math.pi))
SPHERE = tl.constexpr(math.log(2 * math.pi**2))
PEAKED = tl.constexpr(math.log1p(-UNIFORM_MIX) - LOG_2PI)
FLAT = tl.constexpr(math.log(UNIFORM_MIX) - LOG_2PI)
NARROW = tl.constexpr(BROADENING)
SPREAD = tl.constexpr(DISPERSION)
STEPS = tl.constexpr(ACG_STEPS)
TWO_PI = tl.constexpr(2 * math.pi)
PI = tl.constexpr(math.pi)
EPS = tl.constexpr(1e-5)
TERMS = tl.constexpr(42)
"""Of the series of the Bessel function up to 20; beyond, of its asymptotic expansion."""


@triton.jit
def log_i0e(value):
    """Logarithm of ``exp(-x) I_0(x)``: its series, or its asymptotic expansion beyond 20."""
    small = tl.where(value < 20.0, value, 0.0)
    large = at_least(value, 20.0)
    term = tl.zeros_like(value) + 1.0
    series = term
    tail = term
    expansion = term
    for k in range(1, TERMS):
        half = 0.5 * small / k
        term = term * half * half
        series = series + term
        odd = 2.0 * k - 1.0
        tail = tail * tl.where(tail > 1e-18, odd * odd / (8.0 * k * large), 0.0)
        expansion = expansion + tail
    return tl.where(
        value < 20.0, tl.log(series) - small, tl.log(expansion) - 0.5 * tl.log(large * TWO_PI)
    )


@triton.jit
def student_t(location, covariance, YAW: tl.constexpr):
    """The part of a proposal that concerns the position."""
    if YAW:
        factor = cholesky_or(covariance, (1.0, 1.0, 4.0), 3)
    else:
        factor = cholesky_or(covariance, (1.0, 1.0, 1.0), 3)
    return location + factor + (-log_determinant(factor, 3) + STUDENT,)


@triton.jit
def von_mises(mode, concentration):
    """The part of a proposal that concerns the yaw."""
    return (mode, concentration, -log_i0e(concentration) + PEAKED)


@triton.jit
def angular_gaussian(scatter):
    """The part of a proposal that concerns the quaternion, from a scatter that is dispersed."""
    mean = tl.sqrt(tl.sqrt(at_least(determinant(scatter, 4), 0.0)))
    dispersed = ()
    for i in tl.static_range(4):
        for j in tl.static_range(i + 1):
            entry = scatter[i * (i + 1) // 2 + j]
            dispersed = dispersed + (entry + mean * SPREAD if i == j else entry,)
    factor = cholesky_or(dispersed, (1.0, 1.0, 1.0, 1.0), 4)
    return factor + (-log_determinant(factor, 4) - SPHERE,)


@triton.jit
def initial(pose, covariance, YAW: tl.constexpr):
    """Laplace-like proposal about a solution; the covariance is a lower triangle."""
    position = student_t(pose[:3], covariance[:6], YAW)
    if YAW:
        return position + von_mises(pose[3], 1.0 / at_least(covariance[9], EPS) * NARROW)
    else:
        w, i, j, k = pose[3], pose[4], pose[5], pose[6]
        tangent = ((i, -w, k, -j), (j, -k, -w, i), (k, j, -i, -w))  # columns of T(q)
        rotation = (covariance[9], covariance[13], covariance[14])
        rotation = rotation + (covariance[18], covariance[19], covariance[20])
        precision = inverse(rotation, 3)
        information = ()
        for a in tl.static_range(4):
            for b in tl.static_range(a + 1):
                entry = tl.zeros_like(w) + (1.0 if a == b else 0.0)
                for m in tl.static_range(3):
                    for n in tl.static_range(3):
                        if m < n:
                            weight = precision[n * (n + 1) // 2 + m]
                        else:
                            weight = precision[m * (m + 1) // 2 + n]
                        entry = entry + tangent[m][a] * weight * tangent[n][b]
                information = information + (entry,)
        scatter = inverse(information, 4)
        trace = scatter[0] + scatter[2] + scatter[5] + scatter[9]
        unit = ()
        for a in tl.static_range(10):
            unit = unit + (scatter[a] / trace,)
        return position + angular_gaussian(unit)


@triton.jit
def refit(pose, weights, YAW: tl.constexpr, ROWS: tl.constexpr):
    """Proposal that matches the moments of weighted poses, a tuple and a tensor."""
    location, covariance = (), ()
    for i in tl.static_range(3):
        location = location + (over_poses(weights * pose[i], ROWS),)
    for i in tl.static_range(3):
        pulled = weights * (pose[i] - location[i])
        for j in tl.static_range(i + 1):
            entry = over_poses(pulled * (pose[j] - location[j]), ROWS)
            covariance = covariance + (entry,)
    position = student_t(location, covariance, YAW)
    if YAW:
        sine = over_poses(weights * tl.sin(pose[3]), ROWS)
        cosine = over_poses(weights * tl.cos(pose[3]), ROWS)
        square = sine * sine + cosine * cosine
        length = at_least(tl.sqrt(square), EPS)
        concentration = length * NARROW * (2.0 - square) / at_least(1.0 - square, EPS)
        return position + von_mises(atan2(sine, cosine), concentration)
    else:
        return position + angular_gaussian(angular_scatter(pose[3:], weights, ROWS))


@triton.jit
def angular_scatter(quaternion, weights, ROWS: tl.constexpr):
    """Maximum likelihood scatter of an angular central Gaussian by fixed-point steps."""
    zero = tl.zeros_like(over_poses(weights, ROWS))
    one = zero + 1.0
    scatter = (one, zero, one, zero, zero, one, zero, zero, zero, one)
    for _ in tl.static_range(STEPS):
        factor = cholesky_or(scatter, (1.0, 1.0, 1.0, 1.0), 4)
        share = weights / at_least(whitened_square(factor, quaternion, 4), EPS)
        share = share / over_poses(share, ROWS)
        scatter = ()
        for i in tl.static_range(4):
            pulled = share * quaternion[i]
            for j in tl.static_range(i + 1):
                entry = over_poses(pulled * quaternion[j], ROWS)
                scatter = scatter + (entry + EPS if i == j else entry,)
    return scatter


@triton.jit
def log_density(proposal, pose, YAW: tl.constexpr):
    """Of poses, a tuple."""
    shift = (pose[0] - proposal[0], pose[1] - proposal[1], pose[2] - proposal[2])
    square = whitened_square(proposal[3:9], shift, 3)
    position = proposal[9] - 3.0 * tl.log(1.0 + square / 3.0)
    if YAW:
        half_sine = tl.sin(0.5 * (pose[3] - proposal[10]))
        peak = proposal[12] - 2.0 * proposal[11] * half_sine * half_sine
        high = at_least(peak, FLAT)
        return position + high + tl.log(tl.exp(peak - high) + tl.exp(-high + FLAT))
    else:
        square = whitened_square(proposal[10:20], pose[3:], 4)
        return position + proposal[20] - 2.0 * tl.log(square)


@triton.jit
def draw_position(proposal, normal):
    """Student-t positions from six normal numbers."""
    chi_square = normal[3] * normal[3] + normal[4] * normal[4] + normal[5] * normal[5]
    stretch = tl.sqrt(3.0 / at_least(chi_square, 1e-20))
    moved = ()
    for i in tl.static_range(3):
        value = proposal[i]
        for j in tl.static_range(i + 1):
            value = value + proposal[3 + i * (i + 1) // 2 + j] * (normal[j] * stretch)
        moved = moved + (value,)
    return moved


@triton.jit
def draw_quaternion(proposal, normal):
    """Unit quaternions from normal numbers, the last four of ten."""
    moved = ()
    for i in tl.static_range(4):
        value = proposal[10 + i * (i + 1) // 2] * normal[6]
        for j in tl.static_range(1, i + 1):
            value = value + proposal[10 + i * (i + 1) // 2 + j] * normal[6 + j]
        moved = moved + (value,)
    return normalized(moved)


@triton.jit
def propose_deviation(concentration, candidate, level):
    """Deviation from the mode of a von Mises candidate, and whether it is refused.

    See `distributions.von_mises`.
    """
    twice = 2.0 * at_least(concentration, 1e-6)
    # kappa (r - 1) of the paper's r = (1 + root) / (2 kappa), without its cancellation
    least = 0.5 * (1.0 / (tl.sqrt(1.0 + twice * twice) + twice) + 1.0)
    angle = (candidate - 0.5) * PI
    half_tan = tl.sin(angle) / tl.cos(angle) * tl.sqrt(least / (least + twice))
    square = half_tan * half_tan
    c = least + twice * (square / (1.0 + square))  # of the sine of half the angle
    refused = tl.log(c / at_least(level, 1e-37)) + 1.0 - c < 0.0
    return 2.0 * atan2(half_tan, tl.zeros_like(half_tan) + 1.0), refused

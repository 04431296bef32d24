"""Small systems and plain functions inside a kernel, in the type of their arguments.

Matrices are tuples of their lower triangle, row by row; every entry is a tensor, so that many
systems are solved at once, without indexing.
"""

from __future__ import annotations

import triton
import triton.language as tl

HALF_PI = tl.constexpr(1.5707963267948966)
PI = tl.constexpr(3.141592653589793)


@triton.jit
def at_least(value, low):
    """The larger of a tensor and a constant; NaN stays."""
    return tl.where(value < low, tl.full(value.shape, low, value.dtype), value)


@triton.jit
def at_most(value, high):
    """The smaller of a tensor and a constant; NaN stays."""
    return tl.where(value > high, tl.full(value.shape, high, value.dtype), value)


@triton.jit
def select(condition, one, other):
    """`tl.where` of tuples."""
    chosen = ()
    for i in tl.static_range(len(one)):
        chosen = chosen + (tl.where(condition, one[i], other[i]),)
    return chosen


@triton.jit
def eliminate(matrix, rhs, size: tl.constexpr):
    """Factors ``L D L^T``, without pivoting, and eliminates.

    Returns:
        Inverse pivots; the columns below them, before division; the right-hand side, eliminated.
    """
    pivots, columns = (), ()
    for k in tl.static_range(size):
        inverse = 1.0 / matrix[0]
        pivots = pivots + (inverse,)
        below, left, rest = (), (), ()
        for i in tl.static_range(1, size - k):
            below = below + (matrix[i * (i + 1) // 2],)
        columns = columns + below
        for i in tl.static_range(1, size - k):
            factor = below[i - 1] * inverse
            rest = rest + (rhs[k + i] - factor * rhs[k],)
            for j in tl.static_range(1, i + 1):
                left = left + (matrix[i * (i + 1) // 2 + j] - factor * below[j - 1],)
        rhs = rhs[: k + 1] + rest
        matrix = left
    return pivots, columns, rhs


@triton.jit
def solve(matrix, rhs, size: tl.constexpr):
    """Solution of a positive definite system, a tuple."""
    pivots, columns, rhs = eliminate(matrix, rhs, size)
    solution = ()
    for k in tl.static_range(size - 1, -1, -1):
        value = rhs[k]
        for i in tl.static_range(size - 1 - k):
            value = value - columns[k * (2 * size - k - 1) // 2 + i] * solution[i]
        solution = (value * pivots[k],) + solution
    return solution


@triton.jit
def inverse(matrix, size: tl.constexpr):
    """Lower triangle of the inverse of a positive definite matrix."""
    zero = tl.zeros_like(matrix[0])
    columns = ()
    for k in tl.static_range(size):
        unit = ()
        for i in tl.static_range(size):
            unit = unit + (zero + (1.0 if i == k else 0.0),)
        columns = columns + solve(matrix, unit, size)
    lower = ()
    for i in tl.static_range(size):
        for j in tl.static_range(i + 1):
            lower = lower + (columns[j * size + i],)
    return lower


@triton.jit
def determinant(matrix, size: tl.constexpr):
    """Of a positive definite matrix."""
    zero = tl.zeros_like(matrix[0])
    nothing = ()
    for _ in tl.static_range(size):
        nothing = nothing + (zero,)
    pivots, columns, rhs = eliminate(matrix, nothing, size)
    product = zero + 1.0
    for k in tl.static_range(size):
        product = product / pivots[k]
    return product


@triton.jit
def cholesky_or(matrix, fallback, size: tl.constexpr):
    """Lower Cholesky factor, or a diagonal of constants where there is none."""
    factor = ()
    good = matrix[0] == matrix[0]
    for i in tl.static_range(size):
        for j in tl.static_range(i + 1):
            total = matrix[i * (i + 1) // 2 + j]
            for k in tl.static_range(j):
                total = total - factor[i * (i + 1) // 2 + k] * factor[j * (j + 1) // 2 + k]
            if i > j:
                factor = factor + (total / factor[j * (j + 3) // 2],)
            else:
                good = good & (total > 0.0) & (total < float('inf'))
                factor = factor + (tl.sqrt(total),)
    chosen = ()
    for i in tl.static_range(size):
        for j in tl.static_range(i + 1):
            entry = factor[i * (i + 1) // 2 + j]
            constant = tl.zeros_like(entry) + (fallback[i] if i == j else 0.0)
            chosen = chosen + (tl.where(good, entry, constant),)
    return chosen


@triton.jit
def whitened_square(factor, vector, size: tl.constexpr):
    """``|L^-1 v|^2`` for a lower triangular ``L``."""
    white = ()
    square = tl.zeros_like(vector[0])
    for i in tl.static_range(size):
        value = vector[i]
        for j in tl.static_range(i):
            value = value - factor[i * (i + 1) // 2 + j] * white[j]
        value = value / factor[i * (i + 3) // 2]
        white = white + (value,)
        square = square + value * value
    return square


@triton.jit
def log_determinant(factor, size: tl.constexpr):
    """Logarithm of the product of a triangular matrix' diagonal."""
    total = tl.zeros_like(factor[0])
    for i in tl.static_range(size):
        total = total + tl.log(factor[i * (i + 3) // 2])
    return total


@triton.jit
def atan2(sine, cosine):
    """Angle of a vector of any length: a polynomial (Abramowitz and Stegun 4.4.49), good to 2e-8.

    In float64 one Newton step makes it exact to rounding.
    """
    high, wide = tl.abs(sine), tl.abs(cosine)
    steep = high > wide
    ratio = tl.where(steep, wide, high) / at_least(tl.where(steep, high, wide), 1e-37)
    square = ratio * ratio
    tail = square * 0.0028662257 - 0.0161657367
    tail = tail * square + 0.0429096138
    tail = tail * square - 0.0752896400
    tail = tail * square + 0.1065626393
    tail = tail * square - 0.1420889944
    tail = tail * square + 0.1999355085
    tail = tail * square - 0.3333314528
    angle = ratio + ratio * square * tail
    angle = tl.where(steep, -angle + HALF_PI, angle)
    angle = tl.where(cosine < 0, -angle + PI, angle)
    angle = tl.where(sine < 0, -angle, angle)
    if sine.dtype == tl.float64:
        down, along = tl.sin(angle), tl.cos(angle)
        across, length = sine * along - cosine * down, cosine * along + sine * down
        angle = angle + across / at_least(length, 1e-300)
    return angle

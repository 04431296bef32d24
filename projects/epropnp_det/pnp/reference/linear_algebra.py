"""Small positive definite systems, batched; a singular one spoils nothing but its own result."""

from __future__ import annotations

import torch
from torch import Tensor

from ..constants import constant


def solve_spd(matrix: Tensor, rhs: Tensor) -> Tensor:
    """Solves symmetric positive definite systems, differentiably and without waiting.

    Args:
        matrix: (B, d, d).
        rhs: (B, d, m).

    Returns:
        (B, d, m). Not finite, or of no meaning, where a matrix is singular or not finite.
    """
    if torch.jit.is_tracing():
        return eliminate(matrix, rhs)  # the library's solver has no ONNX counterpart
    return torch.linalg.solve_ex(matrix, rhs)[0]


def eliminate(matrix: Tensor, rhs: Tensor) -> Tensor:
    """`solve_spd` by elimination without pivoting, in elementwise operations."""
    work = torch.cat((matrix, rhs), dim=2)
    rows = []
    for _ in range(matrix.size(1)):
        pivot_row = work[:, :1, 1:] / work[:, :1, :1]  # (B, 1, d - k - 1 + m)
        work = work[:, 1:, 1:] - work[:, 1:, :1] * pivot_row
        rows.append(pivot_row)
    solution = rows[-1]  # (B, 1, m)
    for row in rows[-2::-1]:
        known = solution.size(1)
        value = row[..., known:] - row[..., :known] @ solution
        solution = torch.cat((value, solution), dim=1)
    return solution


def eye_like(tensor: Tensor, size: int) -> Tensor:
    """Identity matrix of the type and on the device of ``tensor``, (size, size)."""
    rows = range(size)
    return constant(tuple(tuple(float(row == column) for column in rows) for row in rows), tensor)


def inverse_spd(matrix: Tensor) -> Tensor:
    """Inverse of symmetric positive definite matrices, (B, d, d) -> (B, d, d)."""
    return solve_spd(matrix, eye_like(matrix, matrix.size(-1)).expand_as(matrix))


def cholesky_or(matrix: Tensor, fallback: Tensor) -> Tensor:
    """Lower Cholesky factors, or ``fallback`` where a matrix has none.

    Args:
        matrix: (B, d, d), symmetric.
        fallback: Factor to use instead, (d, d).

    Returns:
        (B, d, d).
    """
    factor, info = torch.linalg.cholesky_ex(matrix)
    finite = factor.diagonal(dim1=-2, dim2=-1).sum(-1).abs() < float(
        'inf'
    )  # one bad spoils the rest
    good = (info == 0) & finite
    return torch.where(good[:, None, None], factor, fallback)

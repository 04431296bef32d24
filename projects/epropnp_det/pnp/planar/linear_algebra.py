"""Small positive definite systems, solved for thousands of objects at once.

Library routines loop over matrices; here one elimination runs over all of them in lock step, with
the object axis innermost. It needs no host synchronisation, is differentiable, exports to ONNX, and
a singular matrix spoils nothing but its own result.
"""

from __future__ import annotations

import torch
from torch import Tensor


def planar_matmul(left: Tensor, right: Tensor) -> Tensor:
    """Matrix product with the object axis last, (n, m, B), (m, p, B) -> (n, p, B)."""
    product = left[:, 0, None] * right[None, 0]
    for index in range(1, right.size(0)):
        product = product + left[:, index, None] * right[None, index]
    return product


def planar_solve_spd(matrix: Tensor, rhs: Tensor) -> Tensor:
    """Solves small symmetric positive definite systems, object axis last.

    Symmetric Gaussian elimination (LDL^T), which needs no pivoting for positive definite matrices.

    Args:
        matrix: (d, d, B), symmetric positive definite.
        rhs: (d, m, B).

    Returns:
        (d, m, B). Not finite where a matrix is singular or not finite.
    """
    work = torch.cat((matrix, rhs), dim=1)  # (d, d + m, B)
    rows = []
    for _ in range(matrix.size(0)):
        pivot_row = work[0, 1:] / work[0, :1]  # (d - k - 1 + m, B)
        work = work[1:, 1:] - work[1:, :1] * pivot_row
        rows.append(pivot_row)
    solution = rows[-1][None]  # (1, m, B)
    for row in rows[-2::-1]:
        known = solution.size(0)
        value = row[known:] - (row[:known, None] * solution).sum(0)
        solution = torch.cat((value[None], solution))
    return solution

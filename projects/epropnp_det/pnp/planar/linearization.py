"""Robust cost and Gauss-Newton system of one pose per object (docs/method.md 1.1 and 1.3).

Written for thousands of small problems: objects are the last axis of every tensor, so that each
line is one elementwise operation over all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..cost import split_huber
from ..pose import Parametrization
from ..problem import SQUARE_FLOOR
from .columns import Columns, Motion, rotate, rotation_motions
from .linear_algebra import planar_matmul


class Linearization(NamedTuple):
    """Robust cost and Gauss-Newton system of one pose per object, objects last.

    Attributes:
        cost: (B,).
        hessian: ``J^T J`` with the rescaled Jacobian, (dof, dof, B).
        gradient: ``J^T r`` with the rescaled Jacobian and residuals, (dof, B).
    """

    cost: Tensor
    hessian: Tensor
    gradient: Tensor

    def where(self, condition: Tensor, other: Linearization) -> Linearization:
        """Takes this one where ``condition`` (B,) holds, ``other`` elsewhere."""
        return Linearization(*(torch.where(condition, *pair) for pair in zip(self, other)))


class _Reprojection(NamedTuple):
    """Projected points and their errors."""

    unbounded: Tensor  # (2, N, B)
    points: Tensor  # clamped to the bounds, (2, N, B)
    depth: Tensor  # not clamped, (N, B)
    inverse_depth: Tensor  # clamped, (N, B)
    difference: Tensor  # points - x2d, (2, N, B)
    distance: Tensor  # norm of the weighted residual, (N, B)
    inner: Tensor  # the same, at most delta, (N, B)

    def cost(self) -> Tensor:
        """Huber cost, (B,)."""
        return split_huber(self.distance, self.inner).sum(0)


def columns_cost(pose_type: Parametrization, columns: Columns, pose: Tensor) -> Tensor:
    """Robust cost, (B, dim) -> (B,)."""
    return _reproject(columns, rotate(pose_type, pose, columns.x3d), pose).cost()


def linearize(
    pose_type: Parametrization, columns: Columns, pose: Tensor, clip_jac: bool = True
) -> Linearization:
    """Cost and Gauss-Newton system, differentiable by the correspondences.

    Residuals and Jacobians are rescaled as in iteratively reweighted least squares, by
    ``sqrt(min(1, delta / s))``, without the second-order term; both sums are quadratic in that
    factor and in the weights, so no root is taken. A point's Jacobian along one image axis is
    ``w / z`` times ``(1, -h, slide)``: by the camera coordinate of that axis, by depth, and by the
    rotation. The system thus consists of moments of these three.

    Args:
        pose_type: Parametrisation of ``pose``.
        columns: ``B`` objects.
        pose: (B, dim).
        clip_jac: Whether projections that sit on a bound, or points held at ``z_min``, get a zero
            Jacobian.
    """
    rotated = rotate(pose_type, pose, columns.x3d)  # (3, N, B)
    view = _reproject(columns, rotated, pose)
    pull = columns.square_w2d * (view.inner / view.distance * view.inverse_depth)  # (2, N, B)
    if clip_jac:
        inside = (view.points == view.unbounded) & (view.depth > columns.z_min)
        pull = torch.where(inside, pull, torch.zeros_like(pull))
    motions = rotation_motions(pose_type, rotated)
    slides = [_slide(columns, motion, view.points) for motion in motions]
    moments = _moments(pull * view.inverse_depth, pull * view.difference, [-view.points, *slides])
    return Linearization(view.cost(), *_assemble(columns, *moments))


def _reproject(columns: Columns, rotated: Tensor, pose: Tensor) -> _Reprojection:
    points = rotated + pose[:, :3].t()[:, None]  # (3, N, B)
    depth = points[2]
    inverse_depth = depth.clamp(min=columns.z_min).reciprocal()
    unbounded = _skew(columns, points[:2]) * inverse_depth
    clamped = torch.clamp(unbounded, columns.lower, columns.upper)
    difference = clamped - columns.x2d
    square = (difference * difference * columns.square_w2d).sum(0)
    distance = square.clamp(min=SQUARE_FLOOR).sqrt()
    inner = torch.minimum(distance, columns.delta)
    return _Reprojection(unbounded, clamped, depth, inverse_depth, difference, distance, inner)


def _skew(columns: Columns, lateral: Tensor) -> Tensor:
    """Applies the skew to camera coordinates x and y, (2, N, B)."""
    if columns.skew is None:
        return lateral
    across, down = columns.skew[:, :, None].unbind(1)  # (2, 1, B)
    return torch.addcmul(across * lateral[0], down, lateral[1])


def _slide(columns: Columns, motion: Motion, points: Tensor) -> Tensor:
    """Motion of the projections, times depth, where the camera points move, (2, N, B)."""
    lateral = _skew(columns, motion.lateral)
    if motion.depth is None:
        return lateral
    return torch.addcmul(lateral, points, motion.depth, value=-1)


def _moments(
    weight: Tensor, force: Tensor, vectors: list[Tensor]
) -> tuple[list[list[Tensor]], list[Tensor]]:
    """Sums over the points of ``weight v v^T`` and ``force v`` for ``v = (1, *vectors)``.

    All arguments are (2, N, B), all sums (2, B): one per image axis. Of the matrix only the lower
    triangle is returned.
    """
    matrix, vector = [[weight.sum(1)]], [force.sum(1)]
    for index, one in enumerate(vectors):
        weighted = weight * one
        row = [weighted.sum(1)]
        row += [(weighted * other).sum(1) for other in vectors[: index + 1]]
        matrix.append(row)
        vector.append((force * one).sum(1))
    return matrix, vector


def _assemble(
    columns: Columns, matrix: list[list[Tensor]], vector: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Puts the moments of both axes together, (dof, dof, B) and (dof, B).

    The image axes differ in which coordinate their first moment belongs to; depth and rotation they
    share.
    """
    zero = torch.zeros_like(matrix[0][0][0])
    rows = [[matrix[0][0][0], zero], [zero, matrix[0][0][1]]]
    for row in matrix[1:]:
        rows.append([row[0][0], row[0][1], *(entry.sum(0) for entry in row[1:])])
    size = len(rows)
    full = [[rows[max(i, j)][min(i, j)] for j in range(size)] for i in range(size)]
    hessian = torch.stack([torch.stack(row) for row in full])
    gradient = torch.cat((vector[0], torch.stack([entry.sum(0) for entry in vector[1:]])))
    if columns.skew is None:
        return hessian, gradient
    # from skewed coordinates to camera coordinates
    transposed = columns.skew.transpose(0, 1)
    hessian = torch.cat((planar_matmul(transposed, hessian[:2]), hessian[2:]))
    hessian = torch.cat((planar_matmul(hessian[:, :2], columns.skew), hessian[:, 2:]), dim=1)
    lateral = planar_matmul(transposed, gradient[:2, None])[:, 0]
    return hessian, torch.cat((lateral, gradient[2:]))

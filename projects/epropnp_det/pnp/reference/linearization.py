"""Projection, robust cost and Gauss-Newton system of poses (docs/method.md 1.1 and 1.3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..cost import split_huber
from ..pose import Parametrization
from ..problem import SQUARE_FLOOR, Problem


class Linearization(NamedTuple):
    """Robust cost and Gauss-Newton system of one pose per object.

    Attributes:
        cost: (B,).
        system: ``J^T [J, r]`` with the rescaled Jacobian and residuals, (B, dof, dof + 1).
    """

    cost: Tensor
    system: Tensor

    @property
    def hessian(self) -> Tensor:
        """``J^T J``, (B, dof, dof)."""
        return self.system[..., :-1]

    @property
    def gradient(self) -> Tensor:
        """``J^T r``, (B, dof)."""
        return self.system[..., -1]

    def where(self, condition: Tensor, other: Linearization) -> Linearization:
        """Takes this one where ``condition`` (B,) holds, ``other`` elsewhere."""
        return Linearization(
            torch.where(condition, self.cost, other.cost),
            torch.where(condition[:, None, None], self.system, other.system),
        )


class Errors(NamedTuple):
    """Bounded projections and their errors; ``...`` is nothing, or the axis of several poses."""

    image: Tensor  # clamped to the bounds, (B, 2, ..., N)
    difference: Tensor  # image - x2d, (B, 2, ..., N)
    distance: Tensor  # norm of the weighted residual, (B, ..., N)
    inner: Tensor  # the same, at most the Huber threshold, (B, ..., N)

    def cost(self) -> Tensor:
        """Huber cost, (B, ...)."""
        return split_huber(self.distance, self.inner).sum(-1)


def errors_of(problem: Problem, unbounded: Tensor) -> Errors:
    """Errors of projections (B, 2, ..., N) that know nothing of the image yet."""

    def broadcast(tensor: Tensor) -> Tensor:
        """Adds the axis of the poses before the points, if there is one."""
        return tensor if unbounded.dim() == 3 else tensor.unsqueeze(-2)

    lower, upper = (broadcast(bound[..., None]) for bound in (problem.lower, problem.upper))
    image = torch.clamp(unbounded, lower, upper)
    difference = image - broadcast(problem.x2d)
    residual = difference * broadcast(problem.w2d)
    distance = torch.linalg.vector_norm(residual, dim=1).clamp(min=math.sqrt(SQUARE_FLOOR))
    inner = torch.minimum(distance, broadcast(problem.delta[:, None]))
    return Errors(image, difference, distance, inner)


def linearize(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    clip_jac: bool = True,
    table: Tensor | None = None,
    with_cost: bool = True,
) -> Linearization:
    """Cost and Gauss-Newton system, differentiable by the problem.

    With ``q = camera [R | t] x`` a point projects to ``q_xy / q_z``; where the pose moves, ``q``
    moves by ``dq`` and the projection by ``(dq_xy - (q_xy / q_z) dq_z) / q_z``. Residuals and
    Jacobians are rescaled as in iteratively reweighted least squares, by ``sqrt(min(1, delta /
    s))``, without the second-order term; products of the two hold the factor squared, so no root is
    taken.

    Args:
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: (B, dim).
        clip_jac: Whether projections that sit on a bound, or points held at ``z_min``, get a zero
            Jacobian.
        table: ``pose_type.table`` as a tensor, where it is at hand.
        with_cost: Whether anyone asks for the cost; else it means nothing.
    """
    if table is None:
        table = pose_type.motion_table(pose)
    rows = 1 + pose_type.dof
    motions = torch.bmm(problem.camera, pose_type.motions(pose, table).flatten(2))
    turn, shift = motions.reshape(-1, 3 * rows, 4).split((3, 1), dim=-1)
    moved = torch.baddbmm(shift, turn, problem.x3d)
    moved = moved.reshape(-1, 3, rows, moved.size(-1))  # (B, 3, 1 + dof, N)
    depth = moved[:, 2:, :1].clamp(min=problem.z_min)  # (B, 1, 1, N)
    lateral, forward = (moved / depth).split((2, 1), dim=1)
    unbounded = lateral[:, :, 0]
    errors = errors_of(problem, unbounded)
    slopes = torch.addcmul(
        lateral[:, :, 1:], errors.image[:, :, None], forward[:, :, 1:], value=-1
    )  # (B, 2, dof, N)
    pull = (errors.inner / errors.distance)[:, None]
    if clip_jac:
        outside = (errors.image != unbounded) | (depth[:, 0] <= problem.z_min)
        pull = pull.masked_fill(outside, 0.0)  # (B, 2, N)
    both = torch.cat((slopes.transpose(1, 2), errors.difference[:, None]), dim=1)
    weighted = both * problem.w2d[:, None]  # J and r, (B, dof + 1, 2, N)
    pulled = weighted * pull[:, None]
    system = torch.bmm(pulled.flatten(2), weighted.flatten(2).transpose(1, 2))[:, :-1]
    return Linearization(errors.cost() if with_cost else problem.delta, system)

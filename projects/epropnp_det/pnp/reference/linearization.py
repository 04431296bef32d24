"""Projection, robust cost and Gauss-Newton system of poses (docs/method.md 1.1 and 1.3)."""

from __future__ import annotations

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


class Reprojection(NamedTuple):
    """Projected points and their errors; ``...`` is nothing, or the axis of several poses."""

    depth: Tensor  # clamped, (B, 1, ..., N)
    unbounded: Tensor  # (B, 2, ..., N)
    image: Tensor  # clamped to the bounds, (B, 2, ..., N)
    difference: Tensor  # image - x2d, (B, 2, ..., N)
    distance: Tensor  # norm of the weighted residual, (B, ..., N)
    inner: Tensor  # the same, at most the Huber threshold, (B, ..., N)

    def cost(self) -> Tensor:
        """Huber cost, (B, ...)."""
        return split_huber(self.distance, self.inner).sum(-1)


def reproject(problem: Problem, points: Tensor) -> Reprojection:
    """Projects camera points to which the (normalised) intrinsics were applied, (B, 3, ..., N)."""

    def broadcast(tensor: Tensor) -> Tensor:
        """Adds the axis of the poses behind the first two, if there is one."""
        return tensor if points.dim() == 3 else tensor.unsqueeze(2)

    lateral, depth = points.split((2, 1), dim=1)
    depth = depth.clamp(min=problem.z_min)
    unbounded = lateral / depth
    lower, upper = (broadcast(bound[..., None]) for bound in (problem.lower, problem.upper))
    image = torch.clamp(unbounded, lower, upper)
    difference = image - broadcast(problem.x2d)
    residual = difference * broadcast(problem.w2d)
    across, down = residual.unbind(1)
    square = torch.addcmul(across * across, down, down)
    distance = square.clamp(min=SQUARE_FLOOR).sqrt()
    delta = problem.delta[:, None] if points.dim() == 3 else problem.delta[:, None, None]
    inner = torch.minimum(distance, delta)
    return Reprojection(depth, unbounded, image, difference, distance, inner)


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
    s))``, without the second-order term; products of the two hold the factor and the weights
    squared, so no root is taken.

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
    point, motion = moved.split((1, rows - 1), dim=2)
    view = reproject(problem, point[:, :, 0])
    lateral, depth = motion.split((2, 1), dim=1)  # (B, 2 or 1, dof, N)
    slopes = torch.addcmul(lateral, view.image[:, :, None], depth, value=-1) / view.depth[:, None]
    pull = (view.inner / view.distance)[:, None] * problem.w2d.square()
    if clip_jac:
        inside = (view.image == view.unbounded) & (view.depth > problem.z_min)
        pull = torch.where(inside, pull, torch.zeros_like(pull))
    both = torch.cat((slopes, view.difference[:, :, None]), dim=2)  # (B, 2, dof + 1, N)
    pulled = (slopes * pull[:, :, None]).flatten(0, 1)  # (B * 2, dof, N)
    system = torch.bmm(pulled, both.flatten(0, 1).transpose(1, 2))
    cost = view.cost() if with_cost else problem.delta
    return Linearization(cost, system.reshape(-1, 2, *system.shape[1:]).sum(1))

"""The planar form of a batch of PnP problems, and its linearisation.

Coordinates come first and points last, ``(B, coordinate, N)``: every elementwise step then runs
over contiguous points, and one batched matrix product projects all points under all poses. The
layer builds a `Problem` once per call; nothing here is public.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .cost import huber
from .pose import Parametrization

SQUARE_FLOOR = 1e-20
"""Smallest squared residual norm: its root has a finite gradient, and is zero to float32."""


class Problem(NamedTuple):
    """PnP problems of ``B`` objects with ``N`` points each.

    Attributes:
        x3d: Homogeneous object-frame points, (B, 4, N).
        x2d: Pixels, (B, 2, N).
        w2d: Weights, (B, 2, N).
        delta: Huber thresholds, (B,).
        cam2img: (B, 3, 3).
        lower: Lower clamp of the projections, (B, 2) or None.
        upper: Upper clamp, (B, 2) or None.
        z_min: Smallest depth in metres.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    delta: Tensor
    cam2img: Tensor
    lower: Tensor | None
    upper: Tensor | None
    z_min: float

    def detach(self) -> Problem:
        """The same problem without gradients."""
        tensors = (field.detach() if isinstance(field, Tensor) else field for field in self)
        return Problem(*tensors)  # type: ignore[arg-type]

    def slice(self, start: int, stop: int) -> Problem:
        """The objects from ``start`` to ``stop``."""
        parts = (field[start:stop] if isinstance(field, Tensor) else field for field in self)
        return Problem(*parts)  # type: ignore[arg-type]


class Linearization(NamedTuple):
    """Robust cost and Gauss-Newton system of one pose per object.

    Attributes:
        cost: (B,).
        hessian: ``J^T J`` with the rescaled Jacobian, (B, dof, dof).
        gradient: ``J^T r`` with the rescaled Jacobian and residuals, (B, dof).
    """

    cost: Tensor
    hessian: Tensor
    gradient: Tensor

    def where(self, condition: Tensor, other: Linearization) -> Linearization:
        """Takes this one where ``condition`` (B,) holds, ``other`` elsewhere."""
        return Linearization(
            torch.where(condition, self.cost, other.cost),
            torch.where(condition[:, None, None], self.hessian, other.hessian),
            torch.where(condition[:, None], self.gradient, other.gradient),
        )


def pose_matrices(pose_type: Parametrization, pose: Tensor) -> Tensor:
    """``[R | t]``, (..., dim) -> (..., 3, 4)."""
    return torch.cat((pose_type.rotation(pose), pose[..., :3, None]), dim=-1)


def clamp_pixels(problem: Problem, pixels: Tensor) -> Tensor:
    """Clamps projections to the image bounds, (B, 2, ...) -> (B, 2, ...)."""
    shape = (pixels.size(0), 2) + (1,) * (pixels.dim() - 2)
    if problem.lower is not None:
        pixels = torch.maximum(pixels, problem.lower.reshape(shape))
    if problem.upper is not None:
        pixels = torch.minimum(pixels, problem.upper.reshape(shape))
    return pixels


def pose_cost(pose_type: Parametrization, problem: Problem, pose: Tensor) -> Tensor:
    """Robust cost of one pose per object, differentiable by everything.

    Args:
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: (B, dim).

    Returns:
        (B,).
    """
    projection = problem.cam2img @ pose_matrices(pose_type, pose)  # (B, 3, 4)
    points = projection @ problem.x3d  # (B, 3, N)
    depth = points[:, 2:].clamp(min=problem.z_min)
    pixels = clamp_pixels(problem, points[:, :2] / depth)
    residual = (pixels - problem.x2d) * problem.w2d
    distance = (residual * residual).sum(1).clamp(min=SQUARE_FLOOR).sqrt()  # (B, N)
    return huber(distance, problem.delta[:, None]).sum(-1)


def residual_rows(
    pose_type: Parametrization, problem: Problem, pose: Tensor, clip_jac: bool
) -> tuple[Tensor, Tensor]:
    """Rescaled Jacobian and residuals, stacked, and the cost.

    The rescaling is that of iteratively reweighted least squares, ``sqrt(min(1, delta / s))``,
    without the second-order term.

    Args:
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: (B, dim).
        clip_jac: Whether projections that sit on a bound, or points held at ``z_min``, get a zero
            Jacobian.

    Returns:
        Rows ``[J^T; r^T]``, (B, dof + 1, 2N), and cost, (B,).
    """
    matrices = pose_matrices(pose_type, pose)  # (B, 3, 4)
    rotated = matrices[..., :3] @ problem.x3d[:, :3]  # (B, 3, N)
    points = problem.cam2img @ (rotated + matrices[..., 3:])  # (B, 3, N)
    inverse_depth = points[:, 2:].clamp(min=problem.z_min).reciprocal()
    unbounded = points[:, :2] * inverse_depth
    pixels = clamp_pixels(problem, unbounded)
    residual = (pixels - problem.x2d) * problem.w2d  # (B, 2, N)
    square = (residual * residual).sum(1, keepdim=True).clamp(min=SQUARE_FLOOR)
    distance = square.sqrt()  # (B, 1, N)
    delta = problem.delta[:, None, None]
    cost = huber(distance, delta).sum((1, 2))
    rescale = (delta / distance).clamp(max=1.0).clamp(min=SQUARE_FLOOR).sqrt()
    scale = problem.w2d * rescale * inverse_depth  # (B, 2, N)
    if clip_jac:
        inside = (pixels == unbounded) & (points[:, 2:] > problem.z_min)
        scale = scale * inside.to(scale)
    d_tx = scale * problem.cam2img[:, :2, 0:1]
    d_ty = scale * problem.cam2img[:, :2, 1:2]
    d_tz = scale * (problem.cam2img[:, :2, 2:3] - pixels)
    columns = (d_tx, d_ty, d_tz, *pose_type.rotation_columns(d_tx, d_ty, d_tz, rotated))
    rows = torch.stack((*columns, residual * rescale), dim=1).flatten(2)  # (B, dof + 1, 2N)
    return rows, cost


def linearize(
    pose_type: Parametrization, problem: Problem, pose: Tensor, clip_jac: bool = True
) -> Linearization:
    """Cost, ``J^T J`` and ``J^T r`` at one pose per object; see `residual_rows`."""
    rows, cost = residual_rows(pose_type, problem, pose, clip_jac)
    gram = rows @ rows.transpose(1, 2)  # (B, dof + 1, dof + 1)
    return Linearization(cost, gram[:, :-1, :-1], gram[:, :-1, -1])

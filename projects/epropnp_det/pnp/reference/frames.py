"""From the frame in which problems are solved to the caller's, and what is told of a solution."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..constants import constant
from ..pose import Parametrization
from .linear_algebra import eye_like
from .solver import Solution, covariance

CONVERGED_DECREMENT = 0.1
"""Posterior standard deviations that may remain to the optimum of a converged object."""


class Solved(NamedTuple):
    """A solution in the frame of the caller.

    Attributes:
        pose: Canonical, (B, dim).
        cost: (B,).
        covariance: (B, dof, dof).
        converged: Whether the optimum is within `CONVERGED_DECREMENT`, (B,).
        valid: Whether the rest is no placeholder, (B,).
    """

    pose: Tensor
    cost: Tensor
    covariance: Tensor
    converged: Tensor
    valid: Tensor


def shift(pose_type: Parametrization, pose: Tensor, offset: Tensor | None, sign: int = 1) -> Tensor:
    """Moves poses into (1) or out of (-1) the frame with its origin at ``offset``.

    Args:
        pose_type: Parametrisation of the poses.
        pose: (B, dim) or (B, S, dim).
        offset: In object coordinates, (B, 3); None for none.
        sign: Which way.
    """
    if offset is None:
        return pose
    if pose.dim() == 3:
        offset = offset[:, None]
    rotated = (pose_type.rotation(pose) @ offset[..., None])[..., 0]
    return torch.cat((pose[..., :3] + sign * rotated, pose[..., 3:]), dim=-1)


def enter_frame(pose_type: Parametrization, pose: Tensor, offset: Tensor | None) -> Tensor:
    """Poses in the frame at ``offset`` from those in the caller's, see `shift`."""
    return shift(pose_type, pose, offset)


def leave_frame(pose_type: Parametrization, pose: Tensor, offset: Tensor | None) -> Tensor:
    """Canonical poses in the caller's frame from those in the frame at ``offset``, see `shift`."""
    return shift(pose_type, pose_type.canonical(pose), offset, -1)


def conclude(
    pose_type: Parametrization, solution: Solution, offset: Tensor | None, valid: Tensor, eps: float
) -> Solved:
    """Pose, covariance and flags; placeholders for objects without finite ones.

    Args:
        pose_type: Parametrisation of the pose.
        solution: In the frame in which it was solved.
        offset: Origin of that frame, in object coordinates, (B, 3); None where it is the caller's.
        valid: Whether all else about an object is, (B,).
        eps: Added to the diagonal of the Gauss-Newton system.
    """
    gradient = solution.linearization.gradient[..., None]
    spread = covariance(solution.linearization, eps)
    # the size of the next step in standard deviations, squared
    decrement = (gradient.transpose(1, 2) @ spread @ gradient)[:, 0, 0]
    pose = pose_type.canonical(solution.pose)
    if offset is not None:
        spread = _shift_covariance(pose_type, spread, pose, offset)
        pose = shift(pose_type, pose, offset, -1)
    valid = valid & finite_objects(pose, solution.cost, spread)
    return Solved(
        torch.where(valid[:, None], pose, pose_type.identity(pose)),
        torch.where(valid, solution.cost, constant(0.0, pose)),
        torch.where(valid[:, None, None], spread, eye_like(spread, pose_type.dof)),
        (decrement < CONVERGED_DECREMENT**2) & valid,
        valid,
    )


def sound(valid: Tensor, *tensors: Tensor) -> Tensor:
    """Which of the valid objects have finite results, (B,) and (B, ...) each -> bool (B,)."""
    return valid & finite_objects(*tensors)


def finite_objects(*tensors: Tensor) -> Tensor:
    """Whether everything about an object is finite, (B, ...) each -> bool (B,)."""
    rows = torch.cat(
        [tensor.reshape(tensor.shape[0], math.prod(tensor.shape[1:])) for tensor in tensors], dim=1
    )
    return rows.abs().amax(1) < math.inf  # NaN is not; on CPUs the norm is no vector code


def _shift_covariance(
    pose_type: Parametrization, covariance: Tensor, pose: Tensor, offset: Tensor
) -> Tensor:
    """Covariance of ``t - R offset`` and the rotation from that of ``t`` and the rotation."""
    dof = pose_type.dof
    jacobian = eye_like(pose, dof).expand(pose.size(0), dof, dof)
    corner = -pose_type.offset_jacobian(pose, offset)  # (B, 3, dof - 3)
    top = torch.cat((jacobian[:, :3, :3], corner), dim=2)
    jacobian = torch.cat((top, jacobian[:, 3:]), dim=1)
    return jacobian @ covariance @ jacobian.transpose(1, 2)

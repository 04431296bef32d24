"""PnP problems with the object axis last, and how points turn there."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..pose import Parametrization, Pose4DoF
from ..problem import Problem


class Columns(NamedTuple):
    """PnP problems of ``B`` objects with ``N`` points each, objects last.

    Attributes:
        x3d: Object-frame points, (3, N, B).
        x2d: Normalised image points, (2, N, B).
        square_w2d: Squared weights, which is all a solver needs of them, (2, N, B).
        delta: Huber thresholds, (B,).
        skew: Upper left 2 x 2 block of the normalised intrinsics, (2, 2, B); None for identities.
        lower: Lower clamp of the projections, (2, 1, B).
        upper: Upper clamp, (2, 1, B).
        z_min: Smallest depth in metres.
    """

    x3d: Tensor
    x2d: Tensor
    square_w2d: Tensor
    delta: Tensor
    skew: Tensor | None
    lower: Tensor
    upper: Tensor
    z_min: float


class Motion(NamedTuple):
    """Velocities of camera points.

    Attributes:
        lateral: Along camera x and y, (2, N, B).
        depth: Along camera z, (N, B); None for none.
    """

    lateral: Tensor
    depth: Tensor | None


def all_columns(problem: Problem) -> Columns:
    """The same problem with objects last."""
    points = (problem.x3d, problem.x2d, problem.w2d.square())
    return _columns(problem, [field.permute(1, 2, 0).contiguous() for field in points], 1)


def subset_columns(problem: Problem, indices: Tensor) -> Columns:
    """The problems that keep only some points.

    Args:
        problem: ``B`` objects.
        indices: (B, P, k).

    Returns:
        ``B * P`` objects with ``k`` points.
    """
    num_objects, num_subsets, size = indices.shape
    first = torch.arange(num_objects) * problem.x3d.size(-1)
    flat = (indices + first[:, None, None]).permute(2, 0, 1).flatten()  # (k B P,)

    def pick(tensor: Tensor) -> Tensor:
        picked = tensor.transpose(0, 1).flatten(1).index_select(1, flat)
        return picked.unflatten(1, (size, num_objects * num_subsets))  # (coordinate, k, B P)

    points = [pick(field) for field in (problem.x3d, problem.x2d, problem.w2d.square())]
    return _columns(problem, points, num_subsets)


def _columns(problem: Problem, points: list[Tensor], repeats: int) -> Columns:
    def repeat(tensor: Tensor) -> Tensor:
        return tensor.repeat_interleave(repeats, dim=0).movedim(0, -1).contiguous()

    skew = problem.camera[:, :2, :2]
    straight = bool((skew == torch.eye(2, dtype=skew.dtype)).all())
    x3d, x2d, square_w2d = points
    return Columns(
        x3d,
        x2d,
        square_w2d,
        repeat(problem.delta),
        None if straight else repeat(skew),
        repeat(problem.lower)[:, None],
        repeat(problem.upper)[:, None],
        problem.z_min,
    )


def rotate(pose_type: Parametrization, pose: Tensor, points: Tensor) -> Tensor:
    """Rotates points, (B, dim), (3, N, B) -> (3, N, B)."""
    x, y, z = points.unbind(0)
    if pose_type is Pose4DoF:
        cos, sin = torch.cos(pose[:, 3]), torch.sin(pose[:, 3])
        return torch.stack(
            (torch.addcmul(cos * x, sin, z), y, torch.addcmul(cos * z, sin, x, value=-1))
        )
    rows = pose_type.rotation(pose).permute(1, 2, 0).contiguous()  # (3, 3, B)
    return torch.stack([torch.addcmul(a * x, b, y).addcmul(c, z) for a, b, c in rows])


def rotation_motions(pose_type: Parametrization, rotated: Tensor) -> tuple[Motion, ...]:
    """How rotated points (3, N, B) move along the ``dof - 3`` tangent coordinates.

    By yaw along ``(z, 0, -x)``; by the tangent vector ``d`` of a quaternion along ``2 (R x) x d``.
    """
    if pose_type is Pose4DoF:
        x, y, z = rotated.unbind(0)
        return (Motion(torch.stack((z, torch.zeros_like(y))), -x),)
    x, y, z = (2 * rotated).unbind(0)
    zero = torch.zeros_like(x)
    return (
        Motion(torch.stack((zero, z)), -y),
        Motion(torch.stack((-z, zero)), x),
        Motion(torch.stack((y, -x)), None),
    )

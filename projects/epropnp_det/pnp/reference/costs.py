"""Robust cost of many poses per object, and its gradient, in bounded memory (docs/method.md 1.3).

The cost of ``S`` poses for ``B`` objects with ``N`` points needs ``S x B x N`` residuals. Neither
function keeps them: objects are taken in chunks, and the gradient projects again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..constants import is_compiling
from ..pose import Parametrization
from ..problem import Problem
from .linearization import errors_of

CHUNK_POINTS = {'cpu': 1 << 16, 'cuda': 1 << 25}
"""Projected points that are held at once, by device type: those of a CPU fit its cache."""


def differentiable_costs(pose_type: Parametrization, problem: Problem, poses: Tensor) -> Tensor:
    """Cost of several poses per object by plain autograd, with all residuals in memory.

    Args:
        pose_type: Parametrisation of ``poses``.
        problem: ``B`` objects.
        poses: (B, S, dim).

    Returns:
        (B, S).
    """
    matrices = pose_type.matrices(poses).transpose(1, 2).flatten(2)  # (B, 3, 4 S)
    matrices = torch.bmm(problem.camera, matrices).unflatten(2, (-1, 4)).flatten(1, 2)
    turn, shift = matrices.split((3, 1), dim=-1)  # (B, 3 S, 3 or 1)
    points = torch.baddbmm(shift, turn, problem.x3d)
    lateral, depth = points.unflatten(1, (3, poses.size(1))).split((2, 1), dim=1)
    return errors_of(problem, lateral / depth.clamp(min=problem.z_min)).cost()


@torch.no_grad()
def pose_costs(
    pose_type: Parametrization, problem: Problem, poses: Tensor, chunk_points: int | None = None
) -> Tensor:
    """`differentiable_costs` without gradient, in chunks of objects.

    Args:
        pose_type: Parametrisation of ``poses``.
        problem: ``B`` objects.
        poses: (B, S, dim).
        chunk_points: Points to project at once; None chooses by device.

    Returns:
        (B, S).
    """
    chunks = object_chunks(problem, poses.size(1), chunk_points)
    if len(chunks) == 1:
        return differentiable_costs(pose_type, problem, poses)
    costs = [
        differentiable_costs(pose_type, problem.slice(*chunk), poses[slice(*chunk)])
        for chunk in chunks
    ]
    return torch.cat(costs)


def pose_costs_gradient(
    pose_type: Parametrization,
    problem: Problem,
    poses: Tensor,
    grad: Tensor,
    tolerance: float = 0.0,
    with_camera: bool = False,
    chunk_points: int | None = None,
) -> tuple[Tensor, ...]:
    """Gradients of ``sum(grad * costs)`` by points, weights and threshold.

    Args:
        pose_type: Parametrisation of ``poses``.
        problem: ``B`` objects.
        poses: Constant, (B, S, dim).
        grad: (B, S).
        tolerance: Not used: nothing is left out here.
        with_camera: Whether to return gradients by the camera and its bounds as well.
        chunk_points: Points to project at once; None chooses by device.

    Returns:
        One for each of the first four tensors of the problem, or of all seven.
    """
    parts = []
    for start, stop in object_chunks(problem, poses.size(1), chunk_points):
        with torch.enable_grad():
            part = problem.slice(start, stop)
            count = 7 if with_camera else 4
            leaves = [field.detach().requires_grad_() for field in part.tensors[:count]]
            constants = part.tensors[count:]
            part = Problem.of((*leaves, *constants), problem.z_min)
            costs = differentiable_costs(pose_type, part, poses[start:stop])
        parts.append(torch.autograd.grad(costs, leaves, grad[start:stop]))
    return parts[0] if len(parts) == 1 else tuple(torch.cat(pieces) for pieces in zip(*parts))


def object_chunks(
    problem: Problem, num_poses: int, chunk_points: int | None = None, num_points: int = 0
) -> list[tuple[int, int]]:
    """Ranges of objects whose projected points fit ``chunk_points``; at least one range."""
    num_objects = problem.x3d.size(0)
    num_points = num_points or problem.x3d.size(2)
    if torch.jit.is_tracing() or is_compiling():
        return [(0, num_objects)]  # no loop over what may have any size
    if chunk_points is None:
        chunk_points = CHUNK_POINTS.get(problem.x3d.device.type, 1 << 22)
    size = max(1, chunk_points // max(1, num_poses * num_points))
    starts = range(0, max(num_objects, 1), size)
    return [(start, min(start + size, num_objects)) for start in starts]

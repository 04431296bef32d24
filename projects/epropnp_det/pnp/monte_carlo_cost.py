"""Robust cost of many poses per object, in bounded memory (method.md sections 1.3 and 1.11).

The cost of ``S`` poses for ``B`` objects with ``N`` points needs ``S x B x N`` residuals. Neither
pass keeps them: objects are taken in chunks that fit a cache, and the backward pass projects again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .cost import huber
from .pose import Parametrization
from .problem import SQUARE_FLOOR, Problem, clamp_pixels, pose_matrices

CHUNK_POINTS = {'cpu': 1 << 16, 'cuda': 1 << 24}
"""Projected points that are held at once, by device type."""


class _Chunk(NamedTuple):
    """Projections of some objects under all their poses; ``b`` objects."""

    difference: Tensor  # pixels - x2d, (b, 2, S, N)
    distance: Tensor  # norm of the weighted residual, (b, S, N)
    inverse_depth: Tensor  # (b, S, N)
    pixels: Tensor  # clamped, (b, 2, S, N)
    inside: Tensor | None  # whether a coordinate is unclamped, (b, 2, S, N)
    before: Tensor | None  # whether the depth is above z_min, (b, S, N)


def projections(pose_type: Parametrization, cam2img: Tensor, poses: Tensor) -> Tensor:
    """``K [R | t]`` of every pose, image axis before pose axis: (B, S, dim) -> (B, 3 S, 4)."""
    matrices = pose_matrices(pose_type, poses)  # (B, S, 3, 4)
    planar = matrices.transpose(1, 2).flatten(2)  # (B, 3, 4 S)
    return (cam2img @ planar).reshape(poses.size(0), 3 * poses.size(1), 4)


@torch.no_grad()
def sample_cost(
    pose_type: Parametrization, problem: Problem, poses: Tensor, chunk_points: int | None = None
) -> Tensor:
    """Robust cost of several poses per object, without gradient.

    Args:
        pose_type: Parametrisation of ``poses``.
        problem: ``B`` objects.
        poses: (B, S, dim).
        chunk_points: Points to project at once; None chooses by device.

    Returns:
        (B, S).
    """
    matrices = projections(pose_type, problem.cam2img, poses)
    costs = [poses.new_zeros(0, poses.size(1))]
    for start, stop in _chunks(problem, poses.size(1), chunk_points):
        part = problem.slice(start, stop)
        chunk = _project(part, matrices[start:stop], with_masks=False)
        costs.append(huber(chunk.distance, part.delta[:, None, None]).sum(-1))
    return torch.cat(costs)


def monte_carlo_cost(
    pose_type: Parametrization,
    problem: Problem,
    poses: Tensor,
    cost: Tensor | None = None,
    chunk_points: int | None = None,
) -> Tensor:
    """Robust cost of several constant poses per object, differentiable by the correspondences.

    Gradients reach ``x3d``, ``x2d``, ``w2d`` and ``delta``; poses and cameras are constants. Equal
    to `reference_cost`, without its memory.

    Args:
        pose_type: Parametrisation of ``poses``.
        problem: ``B`` objects.
        poses: (B, S, dim).
        cost: The result of `sample_cost` for these poses where it is known already.
        chunk_points: Points to project at once; None chooses by device.

    Returns:
        (B, S).
    """
    constant = problem.detach()
    poses = poses.detach()
    if cost is None:
        cost = sample_cost(pose_type, constant, poses, chunk_points)
    matrices = projections(pose_type, constant.cam2img, poses)
    return _MonteCarloCost.apply(
        problem.x3d, problem.x2d, problem.w2d, problem.delta, constant, matrices, cost, chunk_points
    )


def reference_cost(pose_type: Parametrization, problem: Problem, poses: Tensor) -> Tensor:
    """What `monte_carlo_cost` computes, by plain autograd and with all residuals in memory."""
    num_objects, num_poses = poses.shape[:2]
    matrices = problem.cam2img[:, None] @ pose_matrices(pose_type, poses)  # (B, S, 3, 4)
    points = matrices @ problem.x3d[:, None]  # (B, S, 3, N)
    depth = points[:, :, 2:].clamp(min=problem.z_min)
    pixels = (points[:, :, :2] / depth).transpose(1, 2)  # (B, 2, S, N)
    pixels = clamp_pixels(problem, pixels)
    residual = (pixels - problem.x2d[:, :, None]) * problem.w2d[:, :, None]
    distance = residual.square().sum(1).clamp(min=SQUARE_FLOOR).sqrt()  # (B, S, N)
    return huber(distance, problem.delta[:, None, None]).sum(-1).reshape(num_objects, num_poses)


class _MonteCarloCost(torch.autograd.Function):
    """Passes a known cost through and computes its gradient in chunks."""

    @staticmethod
    def forward(
        ctx: Any,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        delta: Tensor,
        problem: Problem,
        matrices: Tensor,
        cost: Tensor,
        chunk_points: int | None,
    ) -> Tensor:
        ctx.bounds = (problem.lower, problem.upper, problem.z_min, chunk_points)
        ctx.save_for_backward(x3d, x2d, w2d, delta, problem.cam2img, matrices)
        return cost.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x3d, x2d, w2d, delta, cam2img, matrices = ctx.saved_tensors
        lower, upper, z_min, chunk_points = ctx.bounds
        problem = Problem(x3d, x2d, w2d, delta, cam2img, lower, upper, z_min)
        parts = [
            _chunk_gradient(problem.slice(start, stop), matrices[start:stop], grad[start:stop])
            for start, stop in _chunks(problem, grad.size(1), chunk_points)
        ]
        if parts:
            gradients = tuple(torch.cat(pieces) for pieces in zip(*parts))
        else:
            gradients = tuple(torch.zeros_like(tensor) for tensor in (x3d, x2d, w2d, delta))
        return (*gradients, None, None, None, None)


def _chunks(problem: Problem, num_poses: int, chunk_points: int | None) -> list[tuple[int, int]]:
    """Object ranges whose projected points fit ``chunk_points``."""
    num_objects, _, num_points = problem.x3d.shape
    if chunk_points is None:
        chunk_points = CHUNK_POINTS.get(problem.x3d.device.type, 1 << 22)
    size = max(1, chunk_points // max(1, num_poses * num_points))
    return [(start, min(start + size, num_objects)) for start in range(0, num_objects, size)]


def _project(problem: Problem, matrices: Tensor, with_masks: bool) -> _Chunk:
    points = matrices @ problem.x3d  # (b, 3 S, N)
    points = points.unflatten(1, (3, points.size(1) // 3))  # (b, 3, S, N)
    before = points[:, 2] > problem.z_min if with_masks else None
    inverse_depth = points[:, 2].clamp_(min=problem.z_min).reciprocal_()
    unbounded = points[:, :2].mul_(inverse_depth[:, None])
    pixels = clamp_pixels(problem, unbounded)
    inside = pixels == unbounded if with_masks else None
    difference = pixels - problem.x2d[:, :, None]
    residual = difference * problem.w2d[:, :, None]
    square = (residual[:, 0] * residual[:, 0]).addcmul_(residual[:, 1], residual[:, 1])
    distance = square.clamp_(min=SQUARE_FLOOR).sqrt_()
    return _Chunk(difference, distance, inverse_depth, pixels, inside, before)


def _chunk_gradient(problem: Problem, matrices: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    """Gradients of ``sum(grad * cost)`` by x3d, x2d, w2d and delta."""
    chunk = _project(problem, matrices, with_masks=True)
    assert chunk.inside is not None and chunk.before is not None
    delta = problem.delta[:, None, None]
    grad = grad[..., None]
    grad_delta = ((chunk.distance - delta).clamp_(min=0) * grad).sum((1, 2))
    weight = (delta / chunk.distance).clamp_(max=1).mul_(grad)  # (b, S, N)
    weight *= chunk.distance > SQUARE_FLOOR**0.5  # the floor has no gradient
    pull = chunk.difference * weight[:, None]  # (b, 2, S, N)
    grad_w2d = (pull * chunk.difference).sum(2) * problem.w2d
    square_w2d = problem.w2d.square()
    grad_x2d = -pull.sum(2) * square_w2d
    grad_pixels = pull.mul_(square_w2d[:, :, None]).mul_(chunk.inside)
    grad_xy = grad_pixels.mul_(chunk.inverse_depth[:, None])
    grad_z = -(grad_xy * chunk.pixels).sum(1, keepdim=True).mul_(chunk.before[:, None])
    grad_points = torch.cat((grad_xy, grad_z), dim=1).flatten(1, 2)  # (b, 3 S, N)
    grad_x3d = matrices.transpose(1, 2) @ grad_points  # (b, 4, N)
    return grad_x3d, grad_x2d, grad_w2d, grad_delta

"""Robust cost of many poses per object, in bounded memory (docs/method.md 1.3 and 1.11).

The cost of ``S`` poses for ``B`` objects with ``N`` points needs ``S x B x N`` residuals. Neither
pass keeps them: objects are taken in chunks that fit a cache, and the backward pass projects again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .cost import huber
from .pose import Parametrization
from .problem import SQUARE_FLOOR, Problem, clamp_points

CHUNK_POINTS = {'cpu': 1 << 16, 'cuda': 1 << 25}
"""Projected points that the backward pass holds at once, by device type."""


class _Chunk(NamedTuple):
    """Projections of some objects under all their poses; ``b`` objects."""

    difference: Tensor  # image - x2d, (b, 2, S, N)
    square: Tensor  # squared norm of the weighted residual, (b, S, N)
    inverse_depth: Tensor  # (b, S, N)
    unbounded: Tensor  # (b, 2, S, N)
    image: Tensor  # clamped, (b, 2, S, N)
    behind: Tensor  # whether the depth is not above z_min, (b, S, N)


def projections(pose_type: Parametrization, mix: Tensor | None, poses: Tensor) -> Tensor:
    """``K [R | t]`` of every pose, normalised; image axis first: (B, S, dim) -> (B, 3 S, 4)."""
    entries = pose_type.rotation_entries(poses)
    x, y, z = poses[..., :3].unbind(-1)
    planar = torch.stack((*entries[:3], x, *entries[3:6], y, *entries[6:], z), dim=1)
    planar = planar.unflatten(1, (3, 4)).transpose(2, 3).flatten(2)  # (B, 3, 4 S)
    if mix is not None:
        planar = torch.cat((mix @ planar[:, :2], planar[:, 2:]), dim=1)
    return planar.reshape(poses.size(0), 3 * poses.size(1), 4)


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
    matrices = projections(pose_type, problem.mix, poses)
    costs = [poses.new_zeros(0, poses.size(1))]
    points = matrices.size(1) // 3 * problem.x3d.size(2)
    for start, stop in object_chunks(problem, points, chunk_points, scale=2):
        costs.append(_chunk_cost(problem.slice(start, stop), matrices[start:stop]))
    return torch.cat(costs)


def monte_carlo_cost(
    pose_type: Parametrization,
    problem: Problem,
    poses: Tensor,
    cost: Tensor | None = None,
    chunk_points: int | None = None,
    tolerance: float = 0.0,
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
        tolerance: Share of the incoming gradient that may be left out, per object: poses are
            dropped, smallest first, while the sum of their absolute gradients is at most this share
            of the object's sum. The error of a gradient is then at most ``tolerance`` times that
            sum times the largest gradient of a single pose's cost. Only on the CPU: elsewhere,
            finding out how many poses to drop would wait for the device.

    Returns:
        (B, S).
    """
    constant = problem.detach()
    poses = poses.detach()
    if cost is None:
        cost = sample_cost(pose_type, constant, poses, chunk_points)
    matrices = projections(pose_type, constant.mix, poses)
    return _MonteCarloCost.apply(
        problem.x3d,
        problem.x2d,
        problem.w2d,
        problem.delta,
        constant,
        matrices,
        cost,
        (chunk_points, tolerance),
    )


def reference_cost(pose_type: Parametrization, problem: Problem, poses: Tensor) -> Tensor:
    """What `monte_carlo_cost` computes, by plain autograd and with all residuals in memory."""
    points = pose_type.rotation(poses) @ problem.x3d[:, None, :3] + poses[..., :3, None]
    lateral, depth = points[:, :, :2], points[:, :, 2:].clamp(min=problem.z_min)
    if problem.mix is not None:
        lateral = problem.mix[:, None] @ lateral
    lower, upper = _bounds(problem)
    image = clamp_points((lateral / depth).transpose(1, 2), lower, upper)
    residual = (image - problem.x2d[:, :, None]) * problem.w2d[:, :, None]  # (B, 2, S, N)
    distance = residual.square().sum(1).clamp(min=SQUARE_FLOOR).sqrt()  # (B, S, N)
    return huber(distance, problem.delta[:, None, None]).sum(-1)


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
        options: tuple[int | None, float],
    ) -> Tensor:
        ctx.constants = (problem.mix, problem.lower, problem.upper, problem.z_min)
        ctx.options = options
        ctx.save_for_backward(x3d, x2d, w2d, delta, matrices)
        return cost.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x3d, x2d, w2d, delta, matrices = ctx.saved_tensors
        chunk_points, tolerance = ctx.options
        problem = Problem(x3d, x2d, w2d, delta, *ctx.constants)
        if tolerance > 0 and grad.device.type == 'cpu' and grad.numel() > 0:
            gradients = _pruned_gradient(problem, matrices, grad, chunk_points, tolerance)
        else:
            gradients = _chunked_gradient(problem, matrices, grad, chunk_points)
        return (*gradients, None, None, None, None)


def _chunked_gradient(
    problem: Problem, matrices: Tensor, grad: Tensor, chunk_points: int | None
) -> tuple[Tensor, ...]:
    """Gradients of ``sum(grad * cost)`` by x3d, x2d, w2d and delta."""
    points = grad.size(1) * problem.x3d.size(2)
    parts = [
        _chunk_gradient(problem.slice(start, stop), matrices[start:stop], grad[start:stop])
        for start, stop in object_chunks(problem, points, chunk_points)
    ]
    if not parts:
        return tuple(torch.zeros_like(tensor) for tensor in problem[:4])
    return tuple(torch.cat(pieces) for pieces in zip(*parts))


def _pruned_gradient(
    problem: Problem, matrices: Tensor, grad: Tensor, chunk_points: int | None, tolerance: float
) -> tuple[Tensor, ...]:
    """`_chunked_gradient` without the poses that hardly matter.

    The number of poses that an object keeps is rounded up to an eighth of them, and objects that
    keep equally many are computed together: what one object gets never depends on another.
    """
    num_poses = grad.size(1)
    size, order = grad.abs().sort(dim=1)  # smallest first
    mass = size.cumsum(1)
    dropped = (mass <= tolerance * mass[:, -1:]).sum(1)
    step = max(1, num_poses // 8)
    kept = num_poses - dropped.div(step, rounding_mode='floor') * step
    result = [torch.zeros_like(tensor) for tensor in problem[:4]]
    for count in kept.unique().tolist():
        if count == 0:
            continue
        index = (kept == count).nonzero()[:, 0]
        pick = order[index, num_poses - count :]  # (b, count)
        planar = matrices[index].unflatten(1, (3, num_poses))
        planar = planar.gather(2, pick[:, None, :, None].expand(-1, 3, -1, 4)).flatten(1, 2)
        part = _chunked_gradient(
            problem.select(index), planar, grad[index].gather(1, pick), chunk_points
        )
        for total, piece in zip(result, part):
            total.index_copy_(0, index, piece)
    return tuple(result)


def object_chunks(
    problem: Problem, points_per_object: int, chunk_points: int | None = None, scale: int = 1
) -> list[tuple[int, int]]:
    """Ranges of objects whose points fit ``chunk_points``.

    None chooses by device, ``scale`` times as many as the backward pass takes: work that keeps
    fewer numbers for each point fits the same caches with more of them.
    """
    num_objects = problem.x3d.size(0)
    if chunk_points is None:
        chunk_points = scale * CHUNK_POINTS.get(problem.x3d.device.type, 1 << 22)
    size = max(1, chunk_points // max(1, points_per_object))
    return [(start, min(start + size, num_objects)) for start in range(0, num_objects, size)]


def _bounds(problem: Problem) -> tuple[Tensor | None, Tensor | None]:
    """Image bounds that broadcast to (b, 2, S, N)."""
    lower = None if problem.lower is None else problem.lower[..., None, None]
    upper = None if problem.upper is None else problem.upper[..., None, None]
    return lower, upper


def _camera_points(problem: Problem, matrices: Tensor) -> Tensor:
    """Points under all poses, (b, 3, S, N)."""
    points = matrices @ problem.x3d  # (b, 3 S, N)
    return points.unflatten(1, (3, points.size(1) // 3))


def _chunk_cost(problem: Problem, matrices: Tensor) -> Tensor:
    """Robust cost, (b, S); works in place, because memory traffic is what it costs."""
    points = _camera_points(problem, matrices)
    inverse_depth = points[:, 2].clamp_(min=problem.z_min).reciprocal_()
    residual = points[:, :2].mul_(inverse_depth[:, None])
    lower, upper = _bounds(problem)
    if lower is not None:
        torch.maximum(residual, lower, out=residual)
    if upper is not None:
        torch.minimum(residual, upper, out=residual)
    residual.sub_(problem.x2d[:, :, None]).mul_(problem.w2d[:, :, None])
    square = residual[:, 0].mul_(residual[:, 0]).addcmul_(residual[:, 1], residual[:, 1])
    distance = square.clamp_(min=SQUARE_FLOOR).sqrt_()
    inner = torch.minimum(distance, problem.delta[:, None, None], out=inverse_depth)
    return distance.sub_(inner, alpha=0.5).mul_(inner).sum(-1)


def _project(problem: Problem, matrices: Tensor) -> _Chunk:
    points = _camera_points(problem, matrices)
    behind = points[:, 2] <= problem.z_min
    inverse_depth = points[:, 2].clamp_(min=problem.z_min).reciprocal_()
    unbounded = points[:, :2].mul_(inverse_depth[:, None])
    image = clamp_points(unbounded, *_bounds(problem))
    difference = image - problem.x2d[:, :, None]
    residual = difference * problem.w2d[:, :, None]
    square = (residual[:, 0] * residual[:, 0]).addcmul_(residual[:, 1], residual[:, 1])
    square.clamp_(min=SQUARE_FLOOR)
    return _Chunk(difference, square, inverse_depth, unbounded, image, behind)


def _chunk_gradient(problem: Problem, matrices: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    """Gradients of ``sum(grad * cost)`` by x3d, x2d, w2d and delta."""
    chunk = _project(problem, matrices)
    delta, grad = problem.delta[:, None, None], grad[..., None]
    distance = chunk.square.sqrt_()
    grad_delta = ((distance - delta).clamp_(min=0) * grad).sum((1, 2))
    pull = torch.minimum(distance, delta).div_(distance).mul_(grad)[:, None] * chunk.difference
    grad_w2d = (pull * chunk.difference).sum(2) * problem.w2d  # (b, 2, N)
    square_w2d = problem.w2d.square()
    grad_x2d = -pull.sum(2) * square_w2d
    pull.mul_(square_w2d[:, :, None])
    pull.masked_fill_(chunk.image != chunk.unbounded, 0)  # clamped: no gradient
    by_point = pull.new_empty(pull.size(0), 3, *pull.shape[2:])  # (b, 3, S, N)
    torch.mul(pull, chunk.inverse_depth[:, None], out=by_point[:, :2])
    by_z = torch.mul(by_point[:, 0], chunk.image[:, 0], out=by_point[:, 2])
    by_z.addcmul_(by_point[:, 1], chunk.image[:, 1]).neg_().masked_fill_(chunk.behind, 0)
    grad_x3d = matrices.transpose(1, 2) @ by_point.flatten(1, 2)  # (b, 4, N)
    return grad_x3d, grad_x2d, grad_w2d, grad_delta

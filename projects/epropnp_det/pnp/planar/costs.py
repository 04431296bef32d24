"""Robust cost of many poses per object, and its gradient, in place (docs/method.md 1.3).

The cost of ``S`` poses for ``B`` objects with ``N`` points needs ``S x B x N`` residuals. Neither
function keeps them: objects are taken in chunks that fit a cache, and the gradient projects again.

Which objects share a chunk depends on what the gradients of all of them are, and no object may feel
that. So nothing here that differs by chunk is a matrix product: a library rounds it by where the
matrix lies in memory.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..pose import Parametrization
from ..problem import SQUARE_FLOOR, Problem
from ..reference.costs import object_chunks

COST_POINTS = 1 << 17
"""Projected points that `pose_costs` holds at once."""
GRADIENT_POINTS = 1 << 16
"""Projected points that `pose_costs_gradient` holds at once, with more numbers for each."""


class _Chunk(NamedTuple):
    """Projections of some objects under all their poses; ``b`` objects."""

    difference: Tensor  # image - x2d, (b, 2, S, N)
    square: Tensor  # squared norm of the weighted residual, (b, S, N)
    inverse_depth: Tensor  # (b, S, N)
    unbounded: Tensor  # (b, 2, S, N)
    image: Tensor  # clamped, (b, 2, S, N)
    behind: Tensor  # whether the depth is not above z_min, (b, S, N)


@torch.no_grad()
def pose_costs(pose_type: Parametrization, problem: Problem, poses: Tensor) -> Tensor:
    """See `reference.costs.pose_costs`."""
    matrices = projections(pose_type, problem, poses)
    chunks = object_chunks(problem, poses.size(1), COST_POINTS)
    return torch.cat(
        [_chunk_cost(problem.slice(*chunk), matrices[slice(*chunk)]) for chunk in chunks]
    )


def pose_costs_gradient(
    pose_type: Parametrization,
    problem: Problem,
    poses: Tensor,
    grad: Tensor,
    tolerance: float = 0.0,
) -> tuple[Tensor, ...]:
    """See `reference.costs.pose_costs_gradient`.

    Leaves out poses, those of least gradient first, while the sum of their absolute gradients is at
    most ``tolerance`` times the object's sum.
    """
    matrices = projections(pose_type, problem, poses)
    if tolerance > 0 and grad.numel() > 0:
        return _pruned_gradient(problem, matrices, grad, tolerance)
    return _chunked_gradient(problem, matrices, grad)


def projections(pose_type: Parametrization, problem: Problem, poses: Tensor) -> Tensor:
    """``camera [R | t]`` of every pose, image axis first: (B, S, dim) -> (B, 3 S, 4)."""
    matrices = pose_type.matrices(poses).transpose(1, 2).flatten(2)  # (B, 3, 4 S)
    return torch.bmm(problem.camera, matrices).unflatten(2, (-1, 4)).flatten(1, 2)


def _chunked_gradient(problem: Problem, matrices: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    """Gradients of ``sum(grad * cost)`` by x3d, x2d, w2d and delta."""
    parts = [
        _chunk_gradient(problem.slice(start, stop), matrices[start:stop], grad[start:stop])
        for start, stop in object_chunks(problem, grad.size(1), GRADIENT_POINTS)
    ]
    return tuple(torch.cat(pieces) for pieces in zip(*parts))


def _pruned_gradient(
    problem: Problem, matrices: Tensor, grad: Tensor, tolerance: float
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
        part = _chunked_gradient(problem.select(index), planar, grad[index].gather(1, pick))
        for total, piece in zip(result, part):
            total.index_copy_(0, index, piece)
    return tuple(result)


def _bounds(problem: Problem) -> tuple[Tensor, Tensor]:
    """Image bounds that broadcast to (b, 2, S, N)."""
    return problem.lower[..., None, None], problem.upper[..., None, None]


def _camera_points(problem: Problem, matrices: Tensor) -> Tensor:
    """Points under all poses, (b, 3, S, N)."""
    x, y, z = problem.x3d[:, None].unbind(2)  # (b, 1, N)
    by_x, by_y, by_z, shift = matrices[..., None].unbind(2)  # (b, 3 S, 1)
    points = (by_x * x).addcmul_(by_y, y).addcmul_(by_z, z).add_(shift)  # (b, 3 S, N)
    return points.unflatten(1, (3, points.size(1) // 3))


def _chunk_cost(problem: Problem, matrices: Tensor) -> Tensor:
    """Robust cost, (b, S); works in place, because memory traffic is what it costs."""
    points = _camera_points(problem, matrices)
    inverse_depth = points[:, 2].clamp_(min=problem.z_min).reciprocal_()
    residual = points[:, :2].mul_(inverse_depth[:, None])
    lower, upper = _bounds(problem)
    residual.clamp_(lower, upper)
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
    image = torch.clamp(unbounded, *_bounds(problem))
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
    axes = matrices.unflatten(1, by_point.shape[1:3])[..., None, :3].unbind(-1)  # (b, 3, S, 1)
    grad_x3d = torch.stack([(axis * by_point).sum((1, 2)) for axis in axes], dim=1)
    return grad_x3d, grad_x2d, grad_w2d, grad_delta

"""Initial poses by random subsets of the points: "RSLM" (docs/method.md 1.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .levenberg_marquardt import LMSolver
from .monte_carlo_cost import object_chunks, sample_cost
from .pose import Parametrization, Pose4DoF
from .problem import Columns, Problem
from .subsets import sample_subsets


class InitialPose(NamedTuple):
    """A starting pose per object.

    Attributes:
        pose: (..., dim).
        cost: Robust cost over all points, (...).
    """

    pose: Tensor
    cost: Tensor


@dataclass(frozen=True)
class RSLMSolver:
    """Solves many small random subsets and keeps the pose that fits all points best.

    Attributes:
        num_points: Points per subset; all of them where an object has fewer.
        num_proposals: Subsets per object.
        num_iter: Solver iterations on each subset.
        weighted_init: Whether the common starting position uses moments weighted by ``w2d``, so
            that background points do not move it. The official code ignores the weights
            (docs/differences.md W28).
        reject_behind: Whether poses whose origin lies behind ``z_min`` lose against all others; the
            official code lets them win (docs/differences.md W28).
    """

    num_points: int = 16
    num_proposals: int = 64
    num_iter: int = 3
    weighted_init: bool = True
    reject_behind: bool = True

    def __post_init__(self) -> None:
        if self.num_points < 1 or self.num_proposals < 1:
            raise ValueError(
                'num_points and num_proposals must be positive, got '
                f'{self.num_points} and {self.num_proposals}'
            )

    @torch.no_grad()
    def solve(
        self,
        pose_type: Parametrization,
        problem: Problem,
        solver: LMSolver,
        fast_mode: bool = False,
        generator: torch.Generator | None = None,
    ) -> InitialPose:
        """Finds a starting pose for every object.

        Args:
            pose_type: Parametrisation of the poses.
            problem: ``B`` objects.
            solver: Runs on the subsets, for ``num_iter`` iterations.
            fast_mode: See `LMSolver.solve`.
            generator: Source of randomness.

        Returns:
            Poses (B, dim) and their cost over all points (B,).
        """
        size = min(self.num_points, problem.x3d.size(-1))
        found = [InitialPose(problem.delta.new_zeros(0, pose_type.dim), problem.delta.new_zeros(0))]
        for start, stop in object_chunks(problem, self.num_proposals * size, scale=4):
            part = problem.slice(start, stop)
            found.append(self._solve_chunk(pose_type, part, solver, fast_mode, generator))
        return InitialPose(*(torch.cat(pieces) for pieces in zip(*found)))

    def _solve_chunk(
        self,
        pose_type: Parametrization,
        problem: Problem,
        solver: LMSolver,
        fast_mode: bool,
        generator: torch.Generator | None,
    ) -> InitialPose:
        size = min(self.num_points, problem.x3d.size(-1))
        indices = sample_subsets(problem.w2d, self.num_proposals, size, generator)
        position = initial_position(pose_type, problem, self.weighted_init)
        shape = (len(position), self.num_proposals)
        rotation = pose_type.random_rotation(shape, position, generator)
        start = torch.cat((position[:, None].expand(*shape, 3), rotation), dim=-1)
        subset_solver = replace(solver, num_iter=self.num_iter)
        poses = subset_solver.solve_pose(
            pose_type, gather_columns(problem, indices), start.flatten(0, 1), fast_mode
        ).unflatten(0, shape)  # (B, P, dim)
        cost = sample_cost(pose_type, problem, poses)  # (B, P)
        rank = torch.where(torch.isfinite(cost), cost, torch.full_like(cost, math.inf))
        if self.reject_behind:
            before = poses[..., 2] > problem.z_min
            lose = before.any(1, keepdim=True) & ~before
            rank = torch.where(lose, torch.full_like(cost, math.inf), rank)
        best = rank.argmin(1, keepdim=True)  # (B, 1)
        pose = poses.gather(1, best[..., None].expand(-1, -1, poses.size(-1)))[:, 0]
        return InitialPose(pose, cost.gather(1, best)[:, 0])


def gather_columns(problem: Problem, indices: Tensor) -> Columns:
    """The problems that keep only some points.

    Args:
        problem: ``B`` objects.
        indices: (B, P, k).

    Returns:
        ``B * P`` objects with ``k`` points.
    """
    num_objects, num_subsets, size = indices.shape
    first = torch.arange(num_objects, device=indices.device) * problem.x3d.size(-1)
    flat = (indices + first[:, None, None]).permute(2, 0, 1).flatten()  # (k B P,)

    def pick(tensor: Tensor) -> Tensor:
        picked = tensor.transpose(0, 1).flatten(1).index_select(1, flat)
        return picked.unflatten(1, (size, num_objects * num_subsets))  # (coordinate, k, B P)

    def repeat(tensor: Tensor) -> Tensor:
        return tensor.repeat_interleave(num_subsets, dim=0).movedim(0, -1).contiguous()

    return Columns(
        pick(problem.x3d[:, :3]),
        pick(problem.x2d),
        pick(problem.w2d.square()),
        repeat(problem.delta),
        None if problem.mix is None else repeat(problem.mix),
        None if problem.lower is None else repeat(problem.lower)[:, None],
        None if problem.upper is None else repeat(problem.upper)[:, None],
        problem.z_min,
    )


def initial_position(
    pose_type: Parametrization, problem: Problem, weighted: bool = True, eps: float = 1e-6
) -> Tensor:
    """Position from the spread of the points in space and on the image plane, (B, 3).

    In 4DoF the vertical extents are compared, which yaw does not change; where the object has none,
    and in 6DoF, the overall extents.
    """
    share = problem.w2d.mean(1, keepdim=True)
    total = share.sum(-1, keepdim=True)
    count = torch.ones_like(share).sum(-1, keepdim=True)
    uniform = torch.ones_like(share) / count
    share = torch.where(total > 0, share / total, uniform) if weighted else uniform  # (B, 1, N)
    # the unbiased factor of the variance; for weights, of as many points as they amount to
    square = share.square().sum(-1, keepdim=True)
    effective = (1 - torch.minimum(square, 1 - 1 / count.clamp(min=2)))[..., 0]

    def moments(points: Tensor) -> tuple[Tensor, Tensor]:
        mean = (points * share).sum(-1, keepdim=True)
        variance = ((points - mean).square() * share).sum(-1) / effective
        return mean[..., 0], variance

    ray_mean, ray_variance = moments(_rays(problem))
    _, variance = moments(problem.x3d[:, :3])
    depth = math.sqrt(2 / 3) * variance.sum(-1).sqrt() / ray_variance.sum(-1).sqrt().clamp(min=eps)
    if pose_type is Pose4DoF:
        height = variance[:, 1].sqrt()
        vertical = height / ray_variance[:, 1].sqrt().clamp(min=eps)
        depth = torch.where(height > eps, vertical, depth)
    direction = torch.cat((ray_mean, torch.ones_like(ray_mean[:, :1])), dim=1)
    return direction * depth[:, None]


def _rays(problem: Problem) -> Tensor:
    """Camera coordinates x and y of the image points at depth one, (B, 2, N)."""
    if problem.mix is None:
        return problem.x2d
    a, b, c, d = problem.mix.flatten(1)[..., None].unbind(1)  # (B, 1)
    u, v = problem.x2d.unbind(1)
    return torch.stack((d * u - b * v, a * v - c * u), dim=1) / (a * d - b * c)[:, None]

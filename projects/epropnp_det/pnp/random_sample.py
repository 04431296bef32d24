"""Initial poses by random subsets of the points: "RSLM" (docs/method.md 1.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .backend import choose
from .levenberg_marquardt import LMSolver
from .noise import uniform_like
from .pose import Parametrization, Pose4DoF
from .problem import Problem
from .reference.subsets import SubsetNoise


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
        mask: Tensor | None = None,
    ) -> InitialPose:
        """Finds a starting pose for every object.

        Args:
            pose_type: Parametrisation of the poses.
            problem: ``B`` objects.
            solver: Runs on the subsets, for ``num_iter`` iterations.
            fast_mode: Gauss-Newton without damping on the subsets.
            generator: Source of randomness.
            mask: Which points there are, (B, N); None for all.

        Returns:
            Poses (B, dim) and their cost over all points (B,).
        """
        backend = choose(problem.x3d)
        num_objects, _, num_points = problem.x3d.shape
        size = min(self.num_points, num_points)
        position = initial_position(pose_type, problem, self.weighted_init, mask)
        shape = (num_objects, self.num_proposals)
        rotation = pose_type.random_rotation(shape, position, generator)
        start = torch.cat((position[:, None].expand(*shape, 3), rotation), dim=-1)
        shape = (self.num_proposals, self.num_points)
        noise = draw_subset_noise(problem.w2d, *shape, generator)
        indices = backend.draw_subsets(problem.w2d, noise, size)
        options = replace(solver, num_iter=self.num_iter)
        poses = backend.solve_subsets(pose_type, problem, indices, start, options, fast_mode)
        cost = backend.pose_costs(pose_type, problem, poses)  # (B, P)
        rank = cost.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)
        if self.reject_behind:
            # a pose behind loses against any before, and may win where all are behind
            behind = poses[..., 2] <= problem.z_min
            before = ~behind.all(1, keepdim=True)
            rank = rank.masked_fill(behind & before, math.inf)
        best = rank.argmin(1, keepdim=True)  # (B, 1)
        pose = poses.gather(1, best[..., None].expand(-1, -1, poses.size(-1)))[:, 0]
        return InitialPose(pose, cost.gather(1, best)[:, 0])


def draw_subset_noise(
    w2d: Tensor, num_subsets: int, size: int, generator: torch.Generator | None = None
) -> SubsetNoise:
    """Random numbers for subsets of ``size`` points or less, of weights (B, 2, N).

    The clock is drawn last and point by point: padding an object changes no other number.
    """
    num_objects, _, num_points = w2d.shape
    level = uniform_like(w2d, (num_objects, num_subsets, size + size // 2), generator)
    clock = uniform_like(w2d, (num_points, num_objects), generator)
    return SubsetNoise(level, clock.t())


def initial_position(
    pose_type: Parametrization,
    problem: Problem,
    weighted: bool = True,
    mask: Tensor | None = None,
    eps: float = 1e-6,
) -> Tensor:
    """Position from the spread of the points in space and on the image plane, (B, 3).

    In 4DoF the vertical extents are compared, which yaw does not change; where the object has none,
    and in 6DoF, the overall extents. Padding (``mask`` false) counts for nothing.
    """
    weight = problem.w2d.sum(1, keepdim=True)  # (B, 1, N)
    if mask is None and not torch.jit.is_tracing():
        share = torch.full_like(weight, 1 / weight.size(-1))
        floor: Tensor | float = 1 - 1 / max(weight.size(-1), 2)
    else:
        there = torch.ones_like(weight) if mask is None else mask[:, None].to(weight.dtype)
        count = there.sum(-1, keepdim=True).clamp(min=1)
        share, floor = there / count, 1 - 1 / count.clamp(min=2)
    if weighted:
        total = weight.sum(-1, keepdim=True)
        share = torch.where(total > 0, weight / total, share)
    # the unbiased factor of the variance; for weights, of as many points as they amount to
    square = share.square().sum(-1, keepdim=True)
    effective = 1 - (square.clamp(max=floor) if isinstance(floor, float) else square.minimum(floor))
    rows = torch.cat((_rays(problem), problem.x3d), dim=1)  # (B, 5, N)
    mean = (rows * share).sum(-1, keepdim=True)
    variance = ((rows - mean).square() * share).sum(-1, keepdim=True) / effective
    flat, solid = variance[..., 0].split((2, 3), dim=1)
    depth = (solid.sum(1, keepdim=True) * (2 / 3)).sqrt() / flat.sum(1, keepdim=True).sqrt().clamp(
        min=eps
    )
    if pose_type is Pose4DoF:
        height = solid[:, 1:2].sqrt()
        vertical = height / flat[:, 1:].sqrt().clamp(min=eps)
        depth = torch.where(height > eps, vertical, depth)
    direction = torch.cat((mean[:, :2, 0], torch.ones_like(depth)), dim=1)
    return direction * depth


def _rays(problem: Problem) -> Tensor:
    """Camera coordinates x and y of the image points at depth one, (B, 2, N)."""
    skew = problem.camera[:, :2, :2]
    if not torch.jit.is_tracing():
        # not solved for all points: at 256 and more torch hands that to a library that waits, which
        # no CUDA graph may hold
        inverse = torch.linalg.inv_ex(skew)[0]
        return (inverse[..., None] * problem.x2d[:, None]).sum(2)
    a, b, c, d = skew.flatten(1)[..., None, None].unbind(1)  # (B, 1, 1)
    adjugate = torch.cat((torch.cat((d, -b), 2), torch.cat((-c, a), 2)), dim=1)  # (B, 2, 2)
    return (adjugate / (a * d - b * c)) @ problem.x2d

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
from .pose import Parametrization
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
        rotations = pose_type.rotation_noise(
            (num_objects, self.num_proposals), problem.x3d, generator
        )
        noise = draw_subset_noise(problem.w2d, self.num_proposals, self.num_points, generator)
        start = backend.start_poses(pose_type, problem, rotations, self.weighted_init, mask)
        indices = backend.draw_subsets(problem.w2d, noise, min(self.num_points, num_points))
        options = replace(solver, num_iter=self.num_iter)
        poses = backend.solve_subsets(pose_type, problem, indices, start, options, fast_mode)
        cost = backend.pose_costs(pose_type, problem, poses)  # (B, P)
        nearest = problem.z_min if self.reject_behind else -math.inf
        return InitialPose(*backend.best_pose(poses, cost, nearest))


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

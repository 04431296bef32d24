"""The iterative solvers with the object axis last (docs/method.md 1.4); see `reference.solver`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..pose import Parametrization
from ..problem import Problem
from ..reference.costs import object_chunks
from ..reference.linearization import Linearization as System
from ..reference.solver import Solution
from .columns import Columns, all_columns, subset_columns
from .linear_algebra import planar_solve_spd
from .linearization import Linearization, columns_cost, linearize

if TYPE_CHECKING:
    from ..levenberg_marquardt import LMSolver

SUBSET_POINTS = 1 << 18
"""Points of subsets that are computed at once."""


class _Point(NamedTuple):
    """A pose per object and the linearisation there."""

    pose: Tensor  # (B, dim)
    linearization: Linearization

    @property
    def cost(self) -> Tensor:
        return self.linearization.cost

    def where(self, condition: Tensor, other: _Point) -> _Point:
        """Takes this one where ``condition`` (B,) holds, ``other`` elsewhere."""
        return _Point(
            torch.where(condition[:, None], self.pose, other.pose),
            self.linearization.where(condition, other.linearization),
        )


class _Region(NamedTuple):
    radius: Tensor  # (B,)
    decrease_factor: Tensor  # (B,)


@torch.no_grad()
def solve(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    options: LMSolver,
    fast_mode: bool = False,
) -> Solution:
    """See `reference.solver.solve`."""
    columns = all_columns(problem)
    if fast_mode:
        found = _gauss_newton(pose_type, columns, pose, options)
    else:
        found = _trust_region(pose_type, columns, pose, options, cost_only_at_end=False)
    cost, hessian, gradient = found.linearization
    system = torch.cat((hessian, gradient[:, None]), dim=1).permute(2, 0, 1)
    return Solution(found.pose, System(cost, system.contiguous()))


@torch.no_grad()
def solve_subsets(
    pose_type: Parametrization,
    problem: Problem,
    indices: Tensor,
    poses: Tensor,
    options: LMSolver,
    fast_mode: bool = False,
) -> Tensor:
    """See `reference.solver.solve_subsets`."""
    _, num_subsets, size = indices.shape
    parts = []
    for start, stop in object_chunks(problem, num_subsets, SUBSET_POINTS, size):
        columns = subset_columns(problem.slice(start, stop), indices[start:stop])
        pose = poses[start:stop].flatten(0, 1)
        if fast_mode:
            for _ in range(options.num_iter):
                system = linearize(pose_type, columns, pose, clip_jac=False)
                pose = pose_type.retract(pose, _gauss_newton_step(system, options.eps))
        else:
            pose = _trust_region(pose_type, columns, pose, options, cost_only_at_end=True).pose
        parts.append(pose)
    return torch.cat(parts).view_as(poses)


def _gauss_newton_step(system: Linearization, eps: float) -> Tensor:
    """``-(J^T J + eps I)^-1 J^T r``, (B, dof)."""
    return -_damped_solution(system, torch.full_like(system.gradient, eps)).t()


def _damped_solution(system: Linearization, damping: Tensor) -> Tensor:
    """Solution with a damped diagonal, (dof, B) -> (dof, B)."""
    damped = system.hessian.clone()
    damped.diagonal().add_(damping.t())
    return planar_solve_spd(damped, system.gradient[:, None])[:, 0]


def _gauss_newton(
    pose_type: Parametrization, columns: Columns, pose: Tensor, options: LMSolver
) -> _Point:
    current = best = _Point(pose, linearize(pose_type, columns, pose, clip_jac=False))
    for _ in range(options.num_iter):
        step = _gauss_newton_step(current.linearization, options.eps)
        pose = pose_type.retract(current.pose, step)
        current = _Point(pose, linearize(pose_type, columns, pose, clip_jac=False))
        best = current.where(current.cost < best.cost, best)
    return best


def _trust_region(
    pose_type: Parametrization,
    columns: Columns,
    pose: Tensor,
    options: LMSolver,
    cost_only_at_end: bool,
) -> _Point:
    current = _Point(pose, linearize(pose_type, columns, pose))
    region = _Region(
        torch.full_like(current.cost, options.initial_trust_region_radius),
        torch.full_like(current.cost, 2.0),
    )
    for index in range(options.num_iter):
        system = current.linearization
        diagonal = system.hessian.diagonal().t()  # (dof, B)
        damping = diagonal.clamp(options.min_diagonal, options.max_diagonal) / region.radius
        step = -_damped_solution(system, damping + options.eps)
        pose = pose_type.retract(current.pose, step.t())
        if cost_only_at_end and index + 1 == options.num_iter:
            there = system._replace(cost=columns_cost(pose_type, columns, pose))
        else:
            there = linearize(pose_type, columns, pose)
        curvature = (system.hessian * step).sum(1)
        decrease = -(step * (0.5 * curvature + system.gradient)).sum(0)
        ratio = (current.cost - there.cost) / decrease
        accept = (ratio >= options.min_relative_decrease) & (decrease > 0)  # NaN is refused
        current = _Point(pose, there).where(accept, current)
        region = _update(region, ratio, accept, options)
    return current


def _update(region: _Region, ratio: Tensor, accept: Tensor, options: LMSolver) -> _Region:
    grown = region.radius / (1 - (2 * ratio - 1) ** 3).clamp(min=1 / 3)
    radius = torch.where(accept, grown, region.radius)
    radius = radius.clamp(options.eps, options.max_trust_region_radius)
    radius = torch.where(accept, radius, radius / region.decrease_factor)
    factor = region.decrease_factor
    factor = torch.where(accept, torch.full_like(factor, 2.0), 2 * factor)
    return _Region(radius, factor)

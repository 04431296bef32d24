"""Trust-region Levenberg-Marquardt and safeguarded Gauss-Newton (docs/method.md 1.4).

All objects run the same number of iterations; each accepts or rejects its own steps by
`torch.where`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..constants import constant
from ..pose import Parametrization
from ..problem import Problem
from .choosing import cheapest, take
from .costs import object_chunks
from .linear_algebra import eye_like, solve_spd
from .linearization import Linearization, linearize

if TYPE_CHECKING:
    from ..levenberg_marquardt import LMSolver


class Solution(NamedTuple):
    """A pose per object and the linearisation there.

    Attributes:
        pose: (B, dim).
        linearization: Cost and Gauss-Newton system at ``pose``.
    """

    pose: Tensor
    linearization: Linearization

    @property
    def cost(self) -> Tensor:
        """Robust cost at ``pose``, (B,)."""
        return self.linearization.cost

    def where(self, condition: Tensor, other: Solution) -> Solution:
        """Takes this one where ``condition`` (B,) holds, ``other`` elsewhere."""
        return Solution(
            torch.where(condition[:, None], self.pose, other.pose),
            self.linearization.where(condition, other.linearization),
        )


@torch.no_grad()
def solve(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    options: LMSolver,
    fast_mode: bool = False,
) -> Solution:
    """Minimises the robust cost from a starting pose, ``options.num_iter`` iterations.

    Args:
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: Starting poses, (B, dim).
        options: Of the solver.
        fast_mode: Gauss-Newton without damping and clip masking; the best iterate is returned, so
            the result never costs more than the start.

    Returns:
        The pose found; its cost and linearisation belong to that very pose.
    """
    if fast_mode:
        return _gauss_newton(pose_type, problem, pose, options)
    return _trust_region(pose_type, problem, pose, options)


@torch.no_grad()
def solve_subsets(
    pose_type: Parametrization,
    problem: Problem,
    indices: Tensor,
    poses: Tensor,
    options: LMSolver,
    fast_mode: bool = False,
) -> Tensor:
    """Solves with some of the points only, for poses that someone else will judge.

    Args:
        pose_type: Parametrisation of ``poses``.
        problem: ``B`` objects.
        indices: Points of each subset, (B, P, k).
        poses: Where each starts, (B, P, dim).
        options: Of the solver.
        fast_mode: As in `solve`, but the last iterate is returned, whatever it costs.

    Returns:
        (B, P, dim).
    """
    chunks = object_chunks(problem, indices.size(1), num_points=indices.size(2))
    parts = []
    for start, stop in chunks:
        subsets = problem.slice(start, stop).subsets(indices[start:stop])
        pose = poses[start:stop].flatten(0, 1)
        if fast_mode:
            parts.append(_last_gauss_newton(pose_type, subsets, pose, options))
        else:
            parts.append(_trust_region(pose_type, subsets, pose, options).pose)
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).view_as(poses)


def gauss_newton_step(system: Linearization, eps: float) -> Tensor:
    """``-(J^T J + eps I)^-1 J^T r``, (B, dof); differentiable."""
    return _step(system, eye_like(system.gradient, system.gradient.size(-1)) * -eps)


def covariance(system: Linearization, eps: float) -> Tensor:
    """``(J^T J + eps I)^-1``, (B, dof, dof)."""
    identity = eye_like(system.gradient, system.gradient.size(-1))
    damped = torch.add(system.hessian, identity, alpha=eps)
    return solve_spd(damped, identity.expand_as(damped))


def _step(system: Linearization, damping: Tensor) -> Tensor:
    """`gauss_newton_step` with ``-eps I`` at hand, (dof, dof)."""
    return solve_spd(damping - system.hessian, system.gradient[..., None])[..., 0]


def _last_gauss_newton(
    pose_type: Parametrization, problem: Problem, pose: Tensor, options: LMSolver
) -> Tensor:
    table, damping = pose_type.motion_table(pose), eye_like(pose, pose_type.dof) * -options.eps
    for _ in range(options.num_iter):
        system = linearize(pose_type, problem, pose, False, table, with_cost=False)
        pose = pose_type.retract(pose, _step(system, damping))
    return pose


def _gauss_newton(
    pose_type: Parametrization, problem: Problem, pose: Tensor, options: LMSolver
) -> Solution:
    table, damping = pose_type.motion_table(pose), eye_like(pose, pose_type.dof) * -options.eps
    trail = [Solution(pose, linearize(pose_type, problem, pose, False, table))]
    for _ in range(options.num_iter):
        pose = pose_type.retract(pose, _step(trail[-1].linearization, damping))
        trail.append(Solution(pose, linearize(pose_type, problem, pose, False, table)))
    return _cheapest(trail)


def _cheapest(trail: list[Solution]) -> Solution:
    """The first of the cheapest of every object."""
    cost = torch.stack([point.cost for point in trail], dim=1)  # (B, T)
    best = cheapest(cost)
    pose = torch.stack([point.pose for point in trail], dim=1)
    system = torch.stack([point.linearization.system for point in trail], dim=1)
    return Solution(take(pose, best), Linearization(take(cost, best), take(system, best)))


def _trust_region(
    pose_type: Parametrization, problem: Problem, pose: Tensor, options: LMSolver
) -> Solution:
    table = pose_type.motion_table(pose)
    identity, eps = eye_like(pose, pose_type.dof), constant(options.eps, pose)
    current = Solution(pose, linearize(pose_type, problem, pose, True, table))
    # the inverse of the trust region's radius, and by which factor it grows next
    narrow = torch.full_like(current.cost, 1 / options.initial_trust_region_radius)
    factor = torch.full_like(current.cost, 2.0)
    most = 1 / options.eps if options.eps > 0 else None
    for left in reversed(range(options.num_iter)):
        cost, system = current.linearization
        hessian, gradient = system.split((pose_type.dof, 1), dim=2)
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        clamped = diagonal.clamp(options.min_diagonal, options.max_diagonal)
        damping = torch.addcmul(eps, clamped, narrow[:, None])
        damped = torch.addcmul(hessian, identity, damping[:, None])
        step = -solve_spd(damped, gradient)  # (B, dof, 1)
        pose = pose_type.retract(current.pose, step[..., 0])
        there = Solution(pose, linearize(pose_type, problem, pose, True, table))
        slope = torch.baddbmm(gradient, hessian, step, alpha=0.5)
        predicted = torch.bmm(step.transpose(1, 2), slope)[:, 0, 0]  # change of cost, negative
        ratio = (there.cost - cost) / predicted
        accept = (ratio >= options.min_relative_decrease) & (predicted < 0)
        current = there.where(accept, current)
        if left == 0:
            break  # nobody asks for another radius
        widened = narrow * (torch.rsub(ratio, 1, alpha=2) ** 3 + 1).clamp(min=1 / 3)
        narrow = torch.where(accept, widened, narrow)
        narrow = narrow.clamp(1 / options.max_trust_region_radius, most)
        narrow = torch.where(accept, narrow, narrow * factor)
        factor = (2 * factor).masked_fill(accept, 2.0)
    return current

"""Trust-region Levenberg-Marquardt and safeguarded Gauss-Newton (docs/method.md 1.4).

All objects run the same number of iterations; each accepts or rejects its own steps by
`torch.where`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .linear_algebra import planar_solve_spd
from .linearization import Linearization, columns_cost, linearize
from .pose import Parametrization
from .problem import Columns


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


class _TrustRegion(NamedTuple):
    radius: Tensor  # (B,)
    decrease_factor: Tensor  # (B,)


@dataclass(frozen=True)
class LMSolver:
    """Options of the iterative solver.

    Attributes:
        num_iter: Iterations. 10 in training; the published inference runs 5 in fast mode.
        min_diagonal: Lower clamp of the damped diagonal.
        max_diagonal: Upper clamp of the damped diagonal.
        min_relative_decrease: Smallest ratio of true to predicted decrease that is accepted.
        initial_trust_region_radius: Trust-region radius at the start.
        max_trust_region_radius: Its upper clamp.
        eps: Added to the diagonal of every system; also the lower clamp of the radius.
    """

    num_iter: int = 10
    min_diagonal: float = 1e-6
    max_diagonal: float = 1e32
    min_relative_decrease: float = 1e-3
    initial_trust_region_radius: float = 30.0
    max_trust_region_radius: float = 1e16
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.num_iter < 0:
            raise ValueError(f'num_iter must not be negative, got {self.num_iter}')

    @torch.no_grad()
    def solve(
        self, pose_type: Parametrization, columns: Columns, pose: Tensor, fast_mode: bool = False
    ) -> Solution:
        """Minimises the robust cost from a starting pose.

        Args:
            pose_type: Parametrisation of ``pose``.
            columns: ``B`` objects.
            pose: Starting poses, (B, dim).
            fast_mode: Gauss-Newton without damping and clip masking; the best iterate is returned,
                so the result never costs more than the start.

        Returns:
            The pose found; its cost and linearisation belong to that very pose.
        """
        if fast_mode:
            return self._gauss_newton(pose_type, columns, pose)
        return self._trust_region(pose_type, columns, pose, cost_only_at_end=False)

    @torch.no_grad()
    def solve_pose(
        self, pose_type: Parametrization, columns: Columns, pose: Tensor, fast_mode: bool = False
    ) -> Tensor:
        """Like `solve`, cheaper, for poses that someone else will judge, (B, dim).

        In fast mode the last iterate is returned, whatever it costs.
        """
        if not fast_mode:
            return self._trust_region(pose_type, columns, pose, cost_only_at_end=True).pose
        for _ in range(self.num_iter):
            step = self.gauss_newton_step(linearize(pose_type, columns, pose, clip_jac=False))
            pose = pose_type.retract(pose, step)
        return pose

    def damp(self, hessian: Tensor) -> Tensor:
        """Adds ``eps`` to the diagonal, (d, d, B)."""
        identity = torch.eye(hessian.size(0), dtype=hessian.dtype, device=hessian.device)
        return hessian + self.eps * identity[..., None]

    def covariance(self, linearization: Linearization) -> Tensor:
        """``(J^T J + eps I)^-1``, (B, dof, dof)."""
        damped = self.damp(linearization.hessian)
        identity = torch.eye(damped.size(0), dtype=damped.dtype, device=damped.device)
        inverse = planar_solve_spd(damped, identity[..., None].expand_as(damped))
        return inverse.permute(2, 0, 1)

    def gauss_newton_step(self, linearization: Linearization) -> Tensor:
        """``-(J^T J + eps I)^-1 J^T r``, (B, dof); differentiable."""
        damped = self.damp(linearization.hessian)
        return -planar_solve_spd(damped, linearization.gradient[:, None])[:, 0].t()

    def _gauss_newton(self, pose_type: Parametrization, columns: Columns, pose: Tensor) -> Solution:
        current = Solution(pose, linearize(pose_type, columns, pose, clip_jac=False))
        best = current
        for _ in range(self.num_iter):
            step = self.gauss_newton_step(current.linearization)
            pose = pose_type.retract(current.pose, step)
            current = Solution(pose, linearize(pose_type, columns, pose, clip_jac=False))
            best = current.where(current.cost < best.cost, best)
        return best

    def _trust_region(
        self, pose_type: Parametrization, columns: Columns, pose: Tensor, cost_only_at_end: bool
    ) -> Solution:
        current = Solution(pose, linearize(pose_type, columns, pose))
        region = _TrustRegion(
            torch.full_like(current.cost, self.initial_trust_region_radius),
            torch.full_like(current.cost, 2.0),
        )
        for index in range(self.num_iter):
            system = current.linearization
            step = self._damped_step(system, region)  # (dof, B)
            pose = pose_type.retract(current.pose, step.t())
            if cost_only_at_end and index + 1 == self.num_iter:
                there = system._replace(cost=columns_cost(pose_type, columns, pose))
            else:
                there = linearize(pose_type, columns, pose)
            curvature = (system.hessian * step).sum(1)
            decrease = -(step * (0.5 * curvature + system.gradient)).sum(0)
            ratio = (current.cost - there.cost) / decrease
            accept = (ratio >= self.min_relative_decrease) & (decrease > 0)  # NaN is refused
            current = Solution(pose, there).where(accept, current)
            region = self._update(region, ratio, accept)
        return current

    def _damped_step(self, system: Linearization, region: _TrustRegion) -> Tensor:
        diagonal = system.hessian.diagonal().t()  # (dof, B)
        damping = diagonal.clamp(self.min_diagonal, self.max_diagonal) / region.radius + self.eps
        identity = torch.eye(len(diagonal), dtype=diagonal.dtype, device=diagonal.device)
        damped = system.hessian + identity[..., None] * damping
        return -planar_solve_spd(damped, system.gradient[:, None])[:, 0]

    def _update(self, region: _TrustRegion, ratio: Tensor, accept: Tensor) -> _TrustRegion:
        grown = region.radius / (1 - (2 * ratio - 1) ** 3).clamp(min=1 / 3)
        radius = torch.where(accept, grown, region.radius)
        radius = radius.clamp(self.eps, self.max_trust_region_radius)
        radius = torch.where(accept, radius, radius / region.decrease_factor)
        factor = torch.where(
            accept, torch.full_like(region.decrease_factor, 2.0), 2 * region.decrease_factor
        )
        return _TrustRegion(radius, factor)

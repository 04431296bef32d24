"""Options of the iterative solver (docs/method.md 1.4), and what follows from a solution."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .backend import choose
from .pose import Parametrization
from .problem import Problem
from .reference.linearization import Linearization
from .reference.solver import Solution, gauss_newton_step


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

    def solve(
        self, pose_type: Parametrization, problem: Problem, pose: Tensor, fast_mode: bool = False
    ) -> Solution:
        """Minimises the robust cost from starting poses (B, dim); see `reference.solver.solve`."""
        return choose(pose).solve(pose_type, problem, pose, self, fast_mode)

    def covariance(self, system: Linearization) -> Tensor:
        """``(J^T J + eps I)^-1``, (B, dof, dof)."""
        return choose(system.system).covariance(system, self.eps)

    def gauss_newton_step(self, system: Linearization) -> Tensor:
        """``-(J^T J + eps I)^-1 J^T r``, (B, dof); differentiable."""
        return gauss_newton_step(system, self.eps)

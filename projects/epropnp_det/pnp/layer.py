"""The EPro-PnP layer: correspondences in, pose, covariance and posterior samples out.

The same module serves networks that train end to end (`monte_carlo_forward` and
`MonteCarloPoseLoss`) and plain pose estimation (`forward`). docs/method.md 1.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .backend import choose
from .camera import PerspectiveCamera
from .constants import is_compiling
from .correspondences import Correspondences, Inputs, MaybeTensor, expand_objects, prepare
from .cost import AdaptiveHuberCost
from .importance_sampling import adaptive_importance_sampling, effective_sample_size
from .levenberg_marquardt import LMSolver
from .pose import Parametrization, Pose4DoF, Pose6DoF
from .problem import Problem
from .proposals import draw_noise
from .random_sample import InitialPose, RSLMSolver
from .reference.frames import Solved, shift
from .reference.linearization import linearize
from .reference.solver import Solution
from .results import MonteCarloResult, PnPResult


class _Search(NamedTuple):
    """How a call of the layer comes to its solution; see `EProPnP.forward`."""

    fast_mode: bool
    generator: torch.Generator | None
    force_init_solve: bool
    hypothesis: InitialPose | None


class EProPnP(nn.Module):
    """What 4DoF and 6DoF share; use one of these. See `EProPnP4DoF`."""

    pose_type: Parametrization

    def __init__(
        self,
        mc_samples: int = 512,
        num_iter: int = 4,
        normalize: bool = False,
        cost: AdaptiveHuberCost | None = None,
        solver: LMSolver | None = None,
        init_solver: RSLMSolver | None = None,
        mc_tolerance: float = 1e-4,
    ) -> None:
        super().__init__()
        if num_iter < 1 or mc_samples < num_iter or mc_samples % num_iter:
            raise ValueError(
                f'mc_samples ({mc_samples}) must be a positive multiple of num_iter ({num_iter})'
            )
        self.mc_samples = mc_samples
        self.num_iter = num_iter
        self.normalize = normalize
        self.mc_tolerance = mc_tolerance
        self.cost = AdaptiveHuberCost() if cost is None else cost
        self.solver = LMSolver() if solver is None else solver
        self.init_solver = RSLMSolver() if init_solver is None else init_solver

    def extra_repr(self) -> str:
        """Shows the options in ``print(module)``."""
        return (
            f'mc_samples={self.mc_samples}, num_iter={self.num_iter}, normalize={self.normalize},\n'
            f'solver={self.solver},\ninit_solver={self.init_solver}'
        )

    def forward(
        self,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        camera: PerspectiveCamera,
        pose_init: Tensor | None = None,
        with_pose_plus: bool = False,
        fast_mode: bool = False,
        generator: torch.Generator | None = None,
        force_init_solve: bool = False,
        hypothesis: InitialPose | None = None,
        mask: Tensor | None = None,
    ) -> PnPResult:
        """Solves PnP.

        Args:
            x3d: Object-frame points in metres, (..., N, 3).
            x2d: Pixels of the original image, (..., N, 2).
            w2d: Non-negative weights per axis, (..., N, 2).
            camera: One camera for all, or one per object.
            pose_init: Starting poses, (..., dim); None runs the random-sample solver.
            with_pose_plus: Whether to return ``pose_plus``.
            fast_mode: Gauss-Newton instead of Levenberg-Marquardt, for inference.
            generator: Source of randomness of the random-sample solver.
            force_init_solve: Whether to run the random-sample solver besides ``pose_init`` and
                start from the latter only where it costs strictly less.
            hypothesis: Result of `initialize` for the same correspondences, instead of running the
                random-sample solver again.
            mask: Which points there are, bool (..., N), for objects with different numbers of
                points: the others are padding, which nothing depends on, whatever it holds. None
                for all; points of weight zero then still count in the published threshold.

        Raises:
            ValueError: If shapes, types or devices disagree.
        """
        correspondences = Correspondences(x3d, x2d, w2d, camera, mask)
        inputs = prepare(self.pose_type, correspondences, pose_init)
        search = _Search(fast_mode, generator, force_init_solve, hypothesis)
        with _full_precision(inputs.points.device.type):
            problem, offset = self.problem(inputs)
            given = self._given(inputs, offset)
            solution = self._solve(inputs, problem, offset, given, search)
            plus = self._derivative_step(problem, offset, solution) if with_pose_plus else None
            solved = self.conclude(inputs, offset, solution, plus)
            plus = self._replace_invalid(plus, solved.valid)
        return PnPResult(
            pose=inputs.unflatten(solved.pose),
            cost=inputs.unflatten(solved.cost),
            pose_cov=inputs.unflatten(solved.covariance),
            pose_plus=inputs.unflatten(plus),
            converged=inputs.unflatten(solved.converged),
            valid=inputs.unflatten(solved.valid),
        )

    def monte_carlo_forward(
        self,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        camera: PerspectiveCamera,
        pose_init: Tensor | None = None,
        with_pose_plus: bool = False,
        fast_mode: bool = False,
        generator: torch.Generator | None = None,
        force_init_solve: bool = True,
        hypothesis: InitialPose | None = None,
        mask: Tensor | None = None,
    ) -> MonteCarloResult:
        """Solves PnP and samples the pose posterior around the solution.

        Arguments are those of `forward`; in training ``pose_init`` is the ground truth, which gives
        ``cost_target`` and starts the solver only where it costs less than the random-sample
        result.

        Raises:
            ValueError: If shapes, types or devices disagree.
        """
        correspondences = Correspondences(x3d, x2d, w2d, camera, mask)
        inputs = prepare(self.pose_type, correspondences, pose_init)
        search = _Search(fast_mode, generator, force_init_solve, hypothesis)
        with _full_precision(inputs.points.device.type):
            problem, offset = self.problem(inputs)
            # drawn first: what the search draws depends on the number of points, padding included
            rounds = (self.num_iter, problem.delta.size(0), self.mc_samples // self.num_iter)
            noise = draw_noise(self.pose_type, problem.delta, rounds, generator)
            pose = self._given(inputs, offset)
            given = None if pose is None else self._judge(problem, pose)
            solution = self._solve(inputs, problem, offset, pose, search, given)
            backend = choose(solution.pose)
            drawn = adaptive_importance_sampling(
                backend,
                self.pose_type,
                problem,
                solution.pose,
                self.solver.covariance(solution.linearization),
                noise,
                self.mc_tolerance,
                given,
            )
            target = drawn.cost_given
            samples = backend.leave_frame(self.pose_type, drawn.poses, offset)
            plus = self._derivative_step(problem, offset, solution) if with_pose_plus else None
            solved = self.conclude(
                inputs, offset, solution, samples, drawn.log_weights, target, plus
            )
            invalid = ~solved.valid
            plus = self._replace_invalid(plus, solved.valid)
            samples = self._replace_invalid(samples, solved.valid)
            if target is not None:
                target = target.masked_fill(invalid, 0.0)
            uniform = -math.log(self.mc_samples)
            log_weights = drawn.log_weights.masked_fill(invalid[:, None], uniform)
        return MonteCarloResult(
            pose=inputs.unflatten(solved.pose),
            cost=inputs.unflatten(solved.cost),
            pose_cov=inputs.unflatten(solved.covariance),
            pose_plus=inputs.unflatten(plus),
            samples=inputs.unflatten(samples).movedim(inputs.num_axes, 0),
            log_weights=inputs.unflatten(log_weights).movedim(inputs.num_axes, 0),
            cost_target=inputs.unflatten(target),
            ess=inputs.unflatten(effective_sample_size(log_weights)),
            converged=inputs.unflatten(solved.converged),
            valid=inputs.unflatten(solved.valid),
        )

    @torch.no_grad()
    def initialize(
        self,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        camera: PerspectiveCamera,
        fast_mode: bool = False,
        generator: torch.Generator | None = None,
        mask: Tensor | None = None,
    ) -> InitialPose:
        """Runs the random-sample solver alone, so that several calls can share its result.

        Arguments are those of `forward`.

        Returns:
            Poses (..., dim) and costs (...).
        """
        inputs = prepare(self.pose_type, Correspondences(x3d, x2d, w2d, camera, mask), None)
        with _full_precision(inputs.points.device.type):
            problem, offset = self.problem(inputs)
            found = self.init_solver.solve(
                self.pose_type, problem, self.solver, fast_mode, generator, inputs.mask
            )
            pose = choose(found.pose).leave_frame(self.pose_type, found.pose, offset)
        return InitialPose(inputs.unflatten(pose), inputs.unflatten(found.cost))

    def problem(self, inputs: Inputs) -> tuple[Problem, Tensor | None]:
        """The problem to solve and the offset that normalisation took from the points, (B, 3)."""
        points, cam2img, bounds, z_min, mask, _, valid, *_ = inputs
        build = choose(points).build_problem
        return build(points, cam2img, bounds, valid, z_min, mask, self.cost, self.normalize)

    def _given(self, inputs: Inputs, offset: Tensor | None) -> Tensor | None:
        """The caller's starting poses in the normalised frame, (B, dim)."""
        if inputs.pose_init is None:
            return None
        pose = inputs.pose_init
        return choose(pose).enter_frame(self.pose_type, pose, offset)

    def _judge(self, problem: Problem, pose: Tensor) -> InitialPose:
        """Poses (B, dim) with their cost, without gradient."""
        cost = choose(pose).pose_costs(self.pose_type, problem.detach(), pose[:, None])
        return InitialPose(pose, cost[:, 0])

    def _solve(
        self,
        inputs: Inputs,
        problem: Problem,
        offset: Tensor | None,
        pose: Tensor | None,
        search: _Search,
        judged: InitialPose | None = None,
    ) -> Solution:
        """The solution in the normalised frame, without gradient.

        Poses that the caller gives are judged only where something else could be the start.
        """
        if pose is None or search.force_init_solve or search.hypothesis is not None:
            if pose is not None and judged is None:
                judged = self._judge(problem, pose)
            pose = self._start(inputs, problem, offset, judged, search)
        return self.solver.solve(self.pose_type, problem.detach(), pose, search.fast_mode)

    def _start(
        self,
        inputs: Inputs,
        problem: Problem,
        offset: Tensor | None,
        given: InitialPose | None,
        search: _Search,
    ) -> Tensor:
        """Starting poses of the solver in the normalised frame, (B, dim), without gradient.

        The given ones are taken where they cost less than what was, or will be, found.
        """
        if search.hypothesis is None:
            found = self.init_solver.solve(
                self.pose_type,
                problem.detach(),
                self.solver,
                search.fast_mode,
                search.generator,
                inputs.mask,
            )
        else:
            pose = expand_objects(search.hypothesis.pose.to(inputs.points), inputs, 'hypothesis')
            pose = torch.where(inputs.valid[:, None], pose, inputs.identity)
            pose = choose(pose).enter_frame(self.pose_type, pose, offset)
            if given is None:
                return pose
            found = self._judge(problem, pose)
        if given is None:
            return found.pose
        return torch.where((given.cost < found.cost)[:, None], given.pose, found.pose)

    def conclude(
        self, inputs: Inputs, offset: Tensor | None, solution: Solution, *also: Tensor | None
    ) -> Solved:
        """Covariance and flags; everything in the frame of the input.

        An object is valid only if what there is of it in ``also``, (B, ...) each, is finite, too.
        """
        valid, others = inputs.valid, [part.detach() for part in also if part is not None]
        backend = choose(solution.pose)
        if others:
            valid = backend.sound(valid, *others)
        return backend.conclude(self.pose_type, solution, offset, valid, self.solver.eps)

    def _derivative_step(
        self, problem: Problem, offset: Tensor | None, solution: Solution
    ) -> Tensor:
        """The pose one Gauss-Newton step on, differentiable by the problem, (B, dim)."""
        pose = self.pose_type.canonical(solution.pose)
        step = self.solver.gauss_newton_step(linearize(self.pose_type, problem, pose))
        return shift(self.pose_type, self.pose_type.retract(pose, step), offset, -1)

    def _replace_invalid(self, poses: MaybeTensor, valid: Tensor) -> MaybeTensor:
        """Placeholders for the poses (B, ..., dim) of objects without solution."""
        if poses is None:
            return None
        place = valid.reshape(-1, *[1] * (poses.dim() - 1))
        return torch.where(place, poses, self.pose_type.identity(poses))


@contextlib.contextmanager
def _full_precision(device_type: str) -> Iterator[None]:
    """Neither autocast nor TensorFloat-32 matrix products: poses need all digits of float32."""
    if device_type != 'cuda' or is_compiling():
        with torch.autocast(device_type, enabled=False):
            yield
        return
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed


class EProPnP4DoF(EProPnP):
    """End-to-end probabilistic PnP for poses ``[x, y, z, yaw]``.

    Args:
        mc_samples: Monte Carlo samples per object, a multiple of ``num_iter``.
        num_iter: Rounds of adaptive importance sampling.
        normalize: Whether to solve about the mean of the points instead of the object's origin, as
            all published detectors do.
        cost: Robust cost; `AdaptiveHuberCost` with its defaults where None.
        solver: Iterative solver; `LMSolver` with its defaults where None.
        init_solver: Initialisation; `RSLMSolver` with its defaults where None.
        mc_tolerance: Share of an object's gradient that the samples of least weight may carry
            together and yet be left out of the backward pass, where that saves time (far below the
            sampling error; zero is exact). See `sample_costs`.
    """

    pose_type = Pose4DoF


class EProPnP6DoF(EProPnP):
    """End-to-end probabilistic PnP for poses ``[x, y, z, qw, qx, qy, qz]``; see `EProPnP4DoF`."""

    pose_type = Pose6DoF

"""The heavy computations as compiled loops over objects, for CPUs (Numba).

Every object is computed by one thread, in the same order whatever the number of threads, so results
do not depend on it and neighbours cannot affect each other. The threads are Python's, as many as
`torch.get_num_threads` says, because the loops release the interpreter's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..backend import Backend
from ..pose import Parametrization
from ..problem import Problem
from ..proposals import RoundNoise
from ..reference.linearization import Linearization
from ..reference.posterior import PosteriorSamples
from ..reference.solver import Solution
from ..reference.subsets import SubsetNoise, clock_hands, subset_weights
from .costs import costs_range, gradients_range, subsets_range
from .light import (
    best_pose,
    build_problem,
    conclude,
    covariance,
    leave_frame,
    sound,
    start_poses,
    usable,
)
from .posterior import posterior_range
from .solver import GAUSS, GAUSS_BEST, LEVENBERG, solve_range
from .threads import arrays, in_threads, turn

if TYPE_CHECKING:
    from ..levenberg_marquardt import LMSolver


def draw_subsets(w2d: Tensor, noise: SubsetNoise, size: int) -> Tensor:
    """See `reference.subsets.draw_subsets`; in half the memory, which takes time to come by."""
    indices = torch.empty((*noise.level.shape[:2], size), dtype=torch.int32)
    hands = clock_hands(noise.level.size(1), w2d)
    arguments = arrays(*subset_weights(w2d), *noise, *hands)
    in_threads(subsets_range, len(w2d), *arguments, indices.numpy())
    return indices


def solve_subsets(
    pose_type: Parametrization,
    problem: Problem,
    indices: Tensor,
    poses: Tensor,
    options: LMSolver,
    fast_mode: bool = False,
) -> Tensor:
    """See `reference.solver.solve_subsets`."""
    method = GAUSS if fast_mode else LEVENBERG
    return _solve(pose_type, problem, indices, poses, options, method)[0]


def solve(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    options: LMSolver,
    fast_mode: bool = False,
) -> Solution:
    """See `reference.solver.solve`."""
    num_objects, _, num_points = problem.x3d.shape
    every = torch.arange(num_points, dtype=torch.int32).expand(num_objects, 1, num_points)
    method = GAUSS_BEST if fast_mode else LEVENBERG
    found, *system = _solve(pose_type, problem, every, pose[:, None], options, method)
    return Solution(found[:, 0], Linearization(*(field[:, 0] for field in system)))


def _solve(
    pose_type: Parametrization,
    problem: Problem,
    indices: Tensor,
    poses: Tensor,
    options: LMSolver,
    method: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Poses (B, P, dim), costs (B, P) and systems (B, P, dof, dof + 1)."""
    found = poses.detach().clone(memory_format=torch.contiguous_format)
    wanted = (0, 0) if method == GAUSS else found.shape[:2]
    cost = found.new_empty(wanted)
    system = found.new_empty((*wanted, pose_type.dof, pose_type.dof + 1))
    numbers = (
        options.min_diagonal,
        options.max_diagonal,
        options.min_relative_decrease,
        options.initial_trust_region_radius,
        options.max_trust_region_radius,
        options.eps,
        problem.z_min,
    )
    in_threads(
        solve_range,
        len(found),
        turn(pose_type),
        *arrays(*problem.tensors, indices),
        method,
        found.new_tensor(numbers).numpy(),
        options.num_iter,
        arrays(found, cost, system),
    )
    return found, cost, system


def pose_costs(pose_type: Parametrization, problem: Problem, poses: Tensor) -> Tensor:
    """See `reference.costs.pose_costs`."""
    cost = poses.new_empty(poses.shape[:2])
    arguments = (problem.z_min, *arrays(poses, cost))
    in_threads(costs_range, len(poses), *arrays(*problem.tensors), *arguments)
    return cost


def pose_costs_gradient(
    pose_type: Parametrization,
    problem: Problem,
    poses: Tensor,
    grad: Tensor,
    tolerance: float = 0.0,
) -> tuple[Tensor, ...]:
    """See `reference.costs.pose_costs_gradient`; leaves out what hardly matters."""
    # contiguous whatever the field is: the loops write to the very memory
    gradients = tuple(field.new_zeros(field.shape) for field in problem.tensors[:4])
    arguments = (problem.z_min, *arrays(poses, grad), tolerance, arrays(*gradients))
    in_threads(gradients_range, len(poses), *arrays(*problem.tensors), *arguments)
    return gradients


def sample_posterior(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    covariance: Tensor,
    noise: RoundNoise,
) -> PosteriorSamples:
    """See `reference.posterior.sample_posterior`."""
    rounds, num_objects, count = noise.normal.shape[:3]
    shape = (num_objects, rounds * count)
    out = (pose.new_empty((*shape, pose_type.dim)), pose.new_empty(shape), pose.new_empty(shape))
    solution = arrays(pose.double(), covariance.double())
    arguments = (problem.z_min, solution, arrays(*noise), arrays(*out))
    kind = turn(pose_type)
    in_threads(posterior_range, num_objects, kind, *arrays(*problem.tensors), *arguments)
    return PosteriorSamples(*out)


BACKEND = Backend(
    'numba',
    draw_subsets,
    solve_subsets,
    solve,
    pose_costs,
    pose_costs_gradient,
    sample_posterior,
    usable=usable,
    build_problem=build_problem,
    start_poses=start_poses,
    best_pose=best_pose,
    leave_frame=leave_frame,
    covariance=covariance,
    sound=sound,
    conclude=conclude,
)

"""The heavy computations as one launch each, for CUDA GPUs (Triton).

What launching costs decides at the layer's sizes. A program takes an object, or a problem of one,
keeps its normal equations in registers, and iterates there; points are streamed in blocks. Nothing
waits for the device, and nothing is added atomically: results do not depend on how programs are
scheduled.

Under ``TRITON_INTERPRET=1``, set before triton is imported, the same kernels run on a CPU, slowly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..backend import Backend
from ..distributions import UNIFORM_MIX
from ..pose import Parametrization, Pose4DoF
from ..problem import Problem
from ..proposals import RoundNoise
from ..reference import posterior as reference_posterior
from ..reference import subsets as reference_subsets
from ..reference.linearization import Linearization
from ..reference.posterior import PosteriorSamples
from ..reference.solver import Solution
from ..reference.subsets import SubsetNoise
from .costs import costs_kernel, gradients_kernel
from .launching import (
    INTERPRETED,
    MOST_POINTS,
    contiguous,
    launch,
    power,
    rows_of,
    warps_of,
)
from .light import (
    best_pose,
    conclude,
    covariance,
    enter_frame,
    leave_frame,
    sound,
    start_poses,
    usable,
)
from .normalizing import build_problem
from .posterior import posterior_kernel
from .proposals import WIDTH
from .solver import GAUSS, GAUSS_BEST, LEVENBERG, solve_kernel
from .subsets import subsets_kernel
from .weighing import divergence

if TYPE_CHECKING:
    from ..levenberg_marquardt import LMSolver


def draw_subsets(w2d: Tensor, noise: SubsetNoise, size: int) -> Tensor:
    """See `reference.subsets.draw_subsets`."""
    num_objects, _, num_points = w2d.shape
    if num_points > MOST_POINTS:
        return reference_subsets.draw_subsets(w2d, noise, size)
    num_subsets, draws = noise.level.shape[1:]
    indices = torch.empty((num_objects, num_subsets, size), dtype=torch.long, device=w2d.device)
    block = power(num_points)
    subsets = min(power(num_subsets), 64) if INTERPRETED else 1
    rows = rows_of(num_objects, subsets * block)
    launch(
        subsets_kernel,
        (-(-num_objects // rows), -(-num_subsets // subsets)),
        *contiguous(w2d, *noise),
        indices,
        num_objects,
        num_subsets,
        num_points,
        draws,
        size,
        TINY=torch.finfo(w2d.dtype).tiny,
        ROWS=rows,
        SUBSETS=subsets,
        BLOCK=block,
        warps=warps_of(subsets, block),
    )
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
    method = GAUSS_BEST if fast_mode else LEVENBERG
    found, *system = _solve(pose_type, problem, None, pose[:, None], options, method)
    return Solution(found[:, 0], Linearization(*(field[:, 0] for field in system)))


def _solve(
    pose_type: Parametrization,
    problem: Problem,
    indices: Tensor | None,
    poses: Tensor,
    options: LMSolver,
    method: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    """Poses (B, P, dim), costs (B, P) and systems (B, P, dof, dof + 1)."""
    (start,) = contiguous(poses)
    found, cost = torch.empty_like(start), start.new_empty(start.shape[:2])
    system = start.new_empty((*start.shape[:2], pose_type.dof, pose_type.dof + 1))
    num_points = problem.x3d.size(2)
    count = num_points if indices is None else indices.size(2)
    num_problems, per_object = cost.numel(), cost.size(1)
    block = min(power(count), 4096 if INTERPRETED else 128)
    rows = rows_of(num_problems, block)
    launch(
        solve_kernel,
        (-(-num_problems // rows),),
        *contiguous(*problem.tensors, problem.x3d if indices is None else indices, start),
        found,
        cost,
        system,
        num_problems,
        per_object,
        num_points,
        count,
        options.num_iter,
        MIN_DIAGONAL=options.min_diagonal,
        MAX_DIAGONAL=options.max_diagonal,
        LEAST=options.min_relative_decrease,
        FIRST_RADIUS=options.initial_trust_region_radius,
        MAX_RADIUS=options.max_trust_region_radius,
        EPS=options.eps,
        Z_MIN=problem.z_min,
        METHOD=method.value,
        YAW=pose_type is Pose4DoF,
        INDEXED=indices is not None,
        ROWS=rows,
        BLOCK=block,
        warps=1,
    )
    return found, cost, system


def pose_costs(pose_type: Parametrization, problem: Problem, poses: Tensor) -> Tensor:
    """See `reference.costs.pose_costs`."""
    num_objects, num_poses = poses.shape[:2]
    num_points = problem.x3d.size(2)
    cost = poses.new_empty((num_objects, num_poses))
    tile = (min(power(num_poses), 64 if INTERPRETED else 8), min(power(num_points), 64))
    rows = rows_of(num_objects, tile[0] * tile[1])
    launch(
        costs_kernel,
        (-(-num_objects // rows), -(-num_poses // tile[0])),
        *contiguous(*problem.tensors, poses),
        cost,
        num_objects,
        num_poses,
        num_points,
        Z_MIN=problem.z_min,
        YAW=pose_type is Pose4DoF,
        ROWS=rows,
        POSES=tile[0],
        BLOCK=tile[1],
        warps=warps_of(*tile),
    )
    return cost


def pose_costs_gradient(
    pose_type: Parametrization,
    problem: Problem,
    poses: Tensor,
    grad: Tensor,
    tolerance: float = 0.0,
) -> tuple[Tensor, ...]:
    """See `reference.costs.pose_costs_gradient`; leaves nothing out."""
    num_objects, num_poses = poses.shape[:2]
    num_points = problem.x3d.size(2)
    tile = (
        min(power(num_poses), 64 if INTERPRETED else 16),
        min(power(num_points), 64 if INTERPRETED else 32),
    )
    blocks = -(-num_points // tile[1])
    rows = rows_of(num_objects, tile[0] * tile[1])
    gradients = [field.new_empty(field.shape) for field in problem.tensors[:3]]
    by_delta = problem.delta.new_empty((num_objects, blocks))
    launch(
        gradients_kernel,
        (-(-num_objects // rows), blocks),
        *contiguous(*problem.tensors, poses, grad),
        *gradients,
        by_delta,
        num_objects,
        num_poses,
        num_points,
        Z_MIN=problem.z_min,
        YAW=pose_type is Pose4DoF,
        ROWS=rows,
        POSES=tile[0],
        BLOCK=tile[1],
        warps=warps_of(*tile),
    )
    return (*gradients, by_delta.sum(1))


def sample_posterior(
    pose_type: Parametrization,
    problem: Problem,
    pose: Tensor,
    covariance: Tensor,
    noise: RoundNoise,
) -> PosteriorSamples:
    """See `reference.posterior.sample_posterior`."""
    rounds, num_objects, count = noise.normal.shape[:3]
    if rounds * count > MOST_POINTS:
        return reference_posterior.sample_posterior(
            pose_type, problem, pose, covariance, noise, pose_costs
        )
    shape = (num_objects, rounds * count)
    poses = pose.new_empty((*shape, pose_type.dim))
    cost, density = pose.new_empty(shape), pose.new_empty(shape)
    scratch = pose.new_empty((num_objects, rounds, WIDTH.value))
    num_uniform = round(UNIFORM_MIX * count)
    num_candidates = (noise.uniform.size(2) - num_uniform) // 2
    drawn, num_points = power(count), problem.x3d.size(2)
    block = min(power(num_points), max(1024 // drawn, 8))
    launch(
        posterior_kernel,
        (-(-num_objects // (rows := rows_of(num_objects, drawn * block))),),
        *contiguous(*problem.tensors, pose, covariance, *noise),
        poses,
        cost,
        density,
        scratch,
        num_objects,
        num_points,
        rounds,
        count,
        num_uniform,
        max(num_candidates, 0),
        Z_MIN=problem.z_min,
        YAW=pose_type is Pose4DoF,
        ROWS=rows,
        DRAWN=drawn,
        SAMPLES=power(rounds * count),
        CANDIDATES=power(max(num_candidates, 1)),
        BLOCK=block,
        warps=4,
    )
    return PosteriorSamples(poses, cost, density)


BACKEND = Backend(
    'triton',
    draw_subsets,
    solve_subsets,
    solve,
    pose_costs,
    pose_costs_gradient,
    sample_posterior,
    usable,
    build_problem,
    start_poses,
    best_pose,
    enter_frame,
    leave_frame,
    covariance,
    sound,
    conclude,
    divergence,
)

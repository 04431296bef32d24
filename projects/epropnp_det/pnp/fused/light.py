"""What is light, and yet made of many operations in plain torch, as one launch each."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..pose import Parametrization, Pose4DoF
from ..problem import Problem
from ..reference import search as reference_search
from ..reference.frames import Solved
from ..reference.linearization import Linearization
from ..reference.solver import Solution
from .frames import conclude_kernel, covariance_kernel, move_kernel
from .launching import MOST_POINTS, contiguous, flags, launch, power, rows_of, warps_of
from .screening import sound_kernel, usable_kernel
from .search import best_kernel, start_kernel


def usable(
    pose_type: Parametrization,
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    pose_init: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """See `reference.screening.usable`."""
    num_objects, _, num_points = points.shape
    found = torch.empty(num_objects, dtype=torch.bool, device=points.device)
    block = min(power(num_points), 256)
    rows = rows_of(num_objects, block)
    launch(
        usable_kernel,
        (-(-num_objects // rows),),
        *contiguous(points, cam2img, bounds, bounds if pose_init is None else pose_init),
        flags(found) if mask is None else flags(mask),
        flags(found),
        num_objects,
        num_points,
        DOF=pose_type.dof,
        DIM=0 if pose_init is None else pose_type.dim,
        MASKED=mask is not None,
        ROWS=rows,
        BLOCK=block,
        warps=warps_of(block),
    )
    return found


def start_poses(
    pose_type: Parametrization,
    problem: Problem,
    noise: Tensor,
    weighted: bool = True,
    mask: Tensor | None = None,
) -> Tensor:
    """See `reference.search.start_poses`."""
    num_objects, num_starts = noise.shape[:2]
    num_points = problem.x3d.size(2)
    starts = noise.new_empty((num_objects, num_starts, pose_type.dim))
    block, wide = min(power(num_points), 256), power(num_starts)
    rows = rows_of(num_objects, max(block, wide))
    points = contiguous(problem.x3d, problem.x2d, problem.w2d, problem.camera)
    launch(
        start_kernel,
        (-(-num_objects // rows),),
        *points,
        points[0] if mask is None else flags(mask),
        *contiguous(noise),
        starts,
        num_objects,
        num_points,
        num_starts,
        TINY=torch.finfo(noise.dtype).tiny,
        WEIGHTED=weighted,
        MASKED=mask is not None,
        YAW=pose_type is Pose4DoF,
        ROWS=rows,
        BLOCK=block,
        STARTS=wide,
        warps=warps_of(block),
    )
    return starts


def best_pose(poses: Tensor, cost: Tensor, nearest: float) -> tuple[Tensor, Tensor]:
    """See `reference.search.best_pose`."""
    num_objects, num_poses, dim = poses.shape
    if num_poses > MOST_POINTS:
        return reference_search.best_pose(poses, cost, nearest)
    best, lowest = poses.new_empty((num_objects, dim)), cost.new_empty(num_objects)
    block = power(num_poses)
    rows = rows_of(num_objects, block)
    launch(
        best_kernel,
        (-(-num_objects // rows),),
        *contiguous(poses, cost),
        best,
        lowest,
        num_objects,
        num_poses,
        REJECTS=nearest > -math.inf,
        NEAREST=max(nearest, 0.0),
        DIM=dim,
        ROWS=rows,
        BLOCK=block,
        warps=warps_of(block),
    )
    return best, lowest


def enter_frame(pose_type: Parametrization, pose: Tensor, offset: Tensor | None) -> Tensor:
    """See `reference.frames.enter_frame`."""
    return pose if offset is None else _move(pose_type, pose, offset, 1)


def leave_frame(pose_type: Parametrization, pose: Tensor, offset: Tensor | None) -> Tensor:
    """See `reference.frames.leave_frame`."""
    return _move(pose_type, pose, offset, -1)


def _move(pose_type: Parametrization, pose: Tensor, offset: Tensor | None, sign: int) -> Tensor:
    (start,) = contiguous(pose if pose.dim() == 3 else pose[:, None])
    moved = torch.empty_like(start)
    num_objects, num_poses = start.shape[:2]
    block = min(power(num_poses), 128)
    rows = rows_of(num_objects, block)
    launch(
        move_kernel,
        (-(-num_objects // rows), -(-num_poses // block)),
        start,
        *contiguous(start if offset is None else offset),
        moved,
        num_objects,
        num_poses,
        SHIFTED=offset is not None,
        SIGN=sign,
        YAW=pose_type is Pose4DoF,
        ROWS=rows,
        POSES=block,
        warps=warps_of(block),
    )
    return moved.view(pose.shape)


def covariance(system: Linearization, eps: float) -> Tensor:
    """See `reference.solver.covariance`."""
    (matrix,) = contiguous(system.system)
    num_objects, dof = matrix.shape[:2]
    found = matrix.new_empty((num_objects, dof, dof))
    rows = rows_of(num_objects, 1)
    grid = (-(-num_objects // rows),)
    launch(
        covariance_kernel, grid, matrix, found, num_objects, EPS=eps, DOF=dof, ROWS=rows, warps=1
    )
    return found


def sound(valid: Tensor, *tensors: Tensor) -> Tensor:
    """See `reference.frames.sound`; four tensors at most are screened at once."""
    if len(tensors) > 4:
        return sound(sound(valid, *tensors[:4]), *tensors[4:])
    found, num_objects = torch.empty_like(valid), valid.size(0)
    rows = [tensor.reshape(num_objects, math.prod(tensor.shape[1:])) for tensor in tensors]
    rows = [row if row.size(1) < 2 or row.stride(1) == 1 else row.contiguous() for row in rows]
    rows += [rows[0][:, :0]] * (4 - len(rows))
    together = rows_of(num_objects, 256)
    launch(
        sound_kernel,
        (-(-num_objects // together),),
        flags(valid),
        *rows,
        flags(found),
        num_objects,
        *(row.stride(0) for row in rows),
        *(row.size(1) for row in rows),
        ROWS=together,
        BLOCK=256,
        warps=2,
    )
    return found


def conclude(
    pose_type: Parametrization, solution: Solution, offset: Tensor | None, valid: Tensor, eps: float
) -> Solved:
    """See `reference.frames.conclude`."""
    pose, cost, system = contiguous(solution.pose, *solution.linearization)
    num_objects, dof = system.shape[:2]
    solved = Solved(
        torch.empty_like(pose),
        torch.empty_like(cost),
        pose.new_empty((num_objects, dof, dof)),
        torch.empty_like(cost, dtype=torch.bool),
        torch.empty_like(cost, dtype=torch.bool),
    )
    rows = rows_of(num_objects, 1)
    launch(
        conclude_kernel,
        (-(-num_objects // rows),),
        pose,
        cost,
        system,
        *contiguous(pose if offset is None else offset),
        flags(valid),
        *solved[:3],
        flags(solved.converged),
        flags(solved.valid),
        num_objects,
        EPS=eps,
        SHIFTED=offset is not None,
        YAW=pose_type is Pose4DoF,
        ROWS=rows,
        warps=1,
    )
    return solved

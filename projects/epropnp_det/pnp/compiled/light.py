"""What is light, and yet made of many operations in plain torch, as one loop each."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from ..normalizing import Loops, Options, build_with
from ..pose import Parametrization
from ..problem import Problem
from ..reference.frames import Solved
from ..reference.linearization import Linearization
from ..reference.solver import Solution
from .frames import conclude_range, covariances_range, leave_range
from .problems import problems_gradient_range, problems_range
from .screening import sound_range, usable_range
from .search import best_range, starts_range
from .threads import MIN_LIGHT_OBJECTS, arrays, in_threads, optional

in_few_threads = partial(in_threads, least=MIN_LIGHT_OBJECTS)


def usable(
    pose_type: Parametrization,
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    pose_init: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """See `reference.screening.usable`."""
    found = torch.empty(len(points), dtype=torch.bool)
    also = (optional(pose_init, points), optional(mask, found))
    arguments = (*arrays(points, cam2img, bounds), *also, pose_type.dof, *arrays(found))
    in_few_threads(usable_range, len(points), *arguments)
    return found


def _build(
    options: Options,
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    valid: Tensor,
    built: tuple[Tensor, ...],
) -> None:
    """See `Loops`."""
    numbers = (options.cost.relative_delta, torch.finfo(points.dtype).tiny, options.centered)
    constants = (*arrays(points, cam2img, bounds, valid), optional(options.mask, valid))
    in_few_threads(problems_range, len(points), *constants, *numbers, arrays(*built))


def _differentiate(
    options: Options,
    points: Tensor,
    cam2img: Tensor,
    valid: Tensor,
    grads: list[Tensor],
    by_points: Tensor,
) -> None:
    """See `Loops`."""
    cost = options.cost
    numbers = (cost.relative_delta, torch.finfo(points.dtype).tiny, cost.detach_x2d)
    constants = (*arrays(points, cam2img, valid), optional(options.mask, valid))
    gradients = (arrays(*grads), *arrays(by_points))
    in_few_threads(problems_gradient_range, len(points), *constants, *numbers, *gradients)


build_problem = partial(build_with, Loops(_build, _differentiate))
"""See `reference.problems.build_problem`."""


def start_poses(
    pose_type: Parametrization,
    problem: Problem,
    noise: Tensor,
    weighted: bool = True,
    mask: Tensor | None = None,
) -> Tensor:
    """See `reference.search.start_poses`."""
    starts = noise.new_empty((*noise.shape[:2], pose_type.dim))
    points = arrays(problem.x3d, problem.x2d, problem.w2d, problem.camera)
    there = optional(mask, noise.new_empty(len(noise), dtype=torch.bool))
    tiny = torch.finfo(noise.dtype).tiny
    arguments = (*points, there, *arrays(noise), weighted, tiny, *arrays(starts))
    in_few_threads(starts_range, len(noise), *arguments)
    return starts


def best_pose(poses: Tensor, cost: Tensor, nearest: float) -> tuple[Tensor, Tensor]:
    """See `reference.search.best_pose`."""
    best, lowest = poses.new_empty((len(poses), poses.size(2))), cost.new_empty(len(cost))
    arguments = (*arrays(poses, cost), nearest, *arrays(best, lowest))
    in_few_threads(best_range, len(poses), *arguments)
    return best, lowest


def leave_frame(pose_type: Parametrization, pose: Tensor, offset: Tensor | None) -> Tensor:
    """See `reference.frames.leave_frame`."""
    moved = torch.empty_like(pose, memory_format=torch.contiguous_format)
    several = (tensor if pose.dim() == 3 else tensor[:, None] for tensor in (pose, moved))
    poses, target = arrays(*several)
    in_few_threads(leave_range, len(pose), poses, optional(offset, pose), target)
    return moved


def covariance(system: Linearization, eps: float) -> Tensor:
    """See `reference.solver.covariance`."""
    systems = system.system
    found = systems.new_empty((len(systems), systems.size(1), systems.size(1)))
    in_few_threads(covariances_range, len(found), *arrays(systems), eps, *arrays(found))
    return found


def sound(valid: Tensor, *tensors: Tensor) -> Tensor:
    """See `reference.frames.sound`."""
    found = valid.clone()
    for tensor in tensors:
        rows = tensor.reshape(len(tensor), math.prod(tensor.shape[1:]))
        in_few_threads(sound_range, len(found), *arrays(rows, found))
    return found


def conclude(
    pose_type: Parametrization, solution: Solution, offset: Tensor | None, valid: Tensor, eps: float
) -> Solved:
    """See `reference.frames.conclude`."""
    pose, cost, dof = solution.pose, solution.cost, pose_type.dof
    flags = (torch.empty_like(valid), torch.empty_like(valid))
    solved = Solved(
        pose.new_empty(pose.shape),
        torch.empty_like(cost, memory_format=torch.contiguous_format),
        pose.new_empty((len(pose), dof, dof)),
        *flags,
    )
    given = (*arrays(pose, *solution.linearization), optional(offset, pose), *arrays(valid))
    in_few_threads(conclude_range, len(pose), *given, eps, arrays(*solved))
    return solved

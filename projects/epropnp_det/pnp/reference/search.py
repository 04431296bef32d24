"""Where the random-sample solver starts, and which of its poses it keeps (docs/method.md 1.6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..pose import Parametrization, Pose4DoF
from ..problem import Problem
from .choosing import cheapest, take

SMALL = 1e-6
"""Extents, in metres or normalised units, below this are none."""


def start_poses(
    pose_type: Parametrization,
    problem: Problem,
    noise: Tensor,
    weighted: bool = True,
    mask: Tensor | None = None,
) -> Tensor:
    """Poses of one position per object and random rotations.

    Args:
        pose_type: Parametrisation of the poses.
        problem: ``B`` objects.
        noise: See `pose_type.rotation_noise`, (B, P, dim - 3).
        weighted: See `initial_position`.
        mask: See `initial_position`.

    Returns:
        (B, P, dim).
    """
    position = initial_position(pose_type, problem, weighted, mask)
    position = position[:, None].expand(*noise.shape[:2], 3)
    return torch.cat((position, pose_type.rotation_of_noise(noise)), dim=-1)


def best_pose(poses: Tensor, cost: Tensor, nearest: float) -> tuple[Tensor, Tensor]:
    """The first of the cheapest poses of every object.

    Args:
        poses: (B, P, dim).
        cost: Where it is not finite, a pose loses, (B, P).
        nearest: Poses whose depth is not above this lose against any other, and may win where there
            is no other; ``-inf`` for none.

    Returns:
        Poses (B, dim) and their costs (B,).
    """
    rank = cost
    if nearest > -math.inf:
        behind = poses[..., 2] <= nearest
        loses = behind != behind.all(1, keepdim=True)
        rank = rank.masked_fill(loses, math.inf)
    best = cheapest(rank)
    return take(poses, best), take(cost, best)


def initial_position(
    pose_type: Parametrization,
    problem: Problem,
    weighted: bool = True,
    mask: Tensor | None = None,
) -> Tensor:
    """Position from the spread of the points in space and on the image plane, (B, 3).

    In 4DoF the vertical extents are compared, which yaw does not change; where the object has none,
    and in 6DoF, the overall extents.

    Args:
        pose_type: Parametrisation that decides what is compared.
        problem: ``B`` objects.
        weighted: Whether points count by their weights.
        mask: Which points there are, (B, N); None for all. Padding, which has no weight, counts for
            nothing.
    """
    if weighted:
        counts = problem.w2d.sum(1)
    else:
        counts = torch.ones_like(problem.x3d[:, 0]) if mask is None else mask.to(problem.x3d.dtype)
    counts = counts.clamp(min=torch.finfo(counts.dtype).tiny)  # without weights, points are alike
    share = (counts / counts.sum(1, keepdim=True))[..., None]  # (B, N, 1)
    rows = torch.cat((_rays(problem), problem.x3d), dim=1)  # (B, 5, N)
    mean = rows @ share
    variance = (rows - mean).square() @ share
    flat, solid = variance[..., 0].split((2, 3), dim=1)
    # two thirds of the sum over three axes by the sum over two
    depth = solid.mean(1, keepdim=True) / flat.mean(1, keepdim=True).clamp(min=SMALL**2)
    if pose_type is Pose4DoF:
        height = solid[:, 1:2]
        vertical = height / flat[:, 1:].clamp(min=SMALL**2)
        depth = torch.where(height > SMALL**2, vertical, depth)
    depth = depth.sqrt()
    return torch.cat((mean[:, :2, 0] * depth, depth), dim=1)


def _rays(problem: Problem) -> Tensor:
    """Camera coordinates x and y of the image points at depth one, (B, 2, N)."""
    skew = problem.camera[:, :2, :2]
    if not torch.jit.is_tracing():
        # not solved for all points: at 256 and more torch hands that to a library that waits, which
        # no CUDA graph may hold
        inverse = torch.linalg.inv_ex(skew)[0]
        return (inverse[..., None] * problem.x2d[:, None]).sum(2)
    a, b, c, d = skew.flatten(1)[..., None, None].unbind(1)  # (B, 1, 1)
    adjugate = torch.cat((torch.cat((d, -b), 2), torch.cat((-c, a), 2)), dim=1)  # (B, 2, 2)
    return (adjugate / (a * d - b * c)) @ problem.x2d

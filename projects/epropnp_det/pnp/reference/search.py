"""Where the random-sample solver starts, and which of its poses it keeps (docs/method.md 1.6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..pose import Parametrization, Pose4DoF
from ..problem import Problem

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
    rank = cost.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)
    if nearest > -math.inf:
        behind = poses[..., 2] <= nearest
        before = ~behind.all(1, keepdim=True)
        rank = rank.masked_fill(behind & before, math.inf)
    best = rank.argmin(1, keepdim=True)  # (B, 1)
    pose = poses.gather(1, best[..., None].expand(-1, -1, poses.size(-1)))[:, 0]
    return pose, cost.gather(1, best)[:, 0]


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
        mask: Which points there are, (B, N); None for all. Padding counts for nothing.
    """
    weight = problem.w2d.sum(1, keepdim=True)  # (B, 1, N)
    if mask is None and not torch.jit.is_tracing():
        share = torch.full_like(weight, 1 / weight.size(-1))
        floor: Tensor | float = 1 - 1 / max(weight.size(-1), 2)
    else:
        there = torch.ones_like(weight) if mask is None else mask[:, None].to(weight.dtype)
        count = there.sum(-1, keepdim=True).clamp(min=1)
        share, floor = there / count, 1 - 1 / count.clamp(min=2)
    if weighted:
        total = weight.sum(-1, keepdim=True)
        share = torch.where(total > 0, weight / total, share)
    # the unbiased factor of the variance; for weights, of as many points as they amount to
    square = share.square().sum(-1, keepdim=True)
    effective = 1 - (square.clamp(max=floor) if isinstance(floor, float) else square.minimum(floor))
    rows = torch.cat((_rays(problem), problem.x3d), dim=1)  # (B, 5, N)
    column = share.transpose(1, 2)
    mean = rows @ column
    variance = (rows - mean).square() @ column / effective
    flat, solid = variance[..., 0].split((2, 3), dim=1)
    depth = (solid.sum(1, keepdim=True) * (2 / 3)).sqrt() / flat.sum(1, keepdim=True).sqrt().clamp(
        min=SMALL
    )
    if pose_type is Pose4DoF:
        height = solid[:, 1:2].sqrt()
        vertical = height / flat[:, 1:].sqrt().clamp(min=SMALL)
        depth = torch.where(height > SMALL, vertical, depth)
    direction = torch.cat((mean[:, :2, 0], torch.ones_like(depth)), dim=1)
    return direction * depth


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

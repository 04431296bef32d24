"""Rotations in batches."""

from __future__ import annotations

import torch
from torch import Tensor


def quaternion(matrix: Tensor) -> Tensor:
    """w, x, y, z of rotations (..., 3, 3), w not negative."""
    m = matrix
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    xx, yy, zz = (1 + 2 * m[..., k, k] - trace for k in range(3))
    xw, yw, zw = (
        m[..., 2, 1] - m[..., 1, 2],
        m[..., 0, 2] - m[..., 2, 0],
        m[..., 1, 0] - m[..., 0, 1],
    )
    xy, xz, yz = (
        m[..., 1, 0] + m[..., 0, 1],
        m[..., 2, 0] + m[..., 0, 2],
        m[..., 2, 1] + m[..., 1, 2],
    )
    rows = torch.stack(
        [
            torch.stack([1 + trace, xw, yw, zw], -1),
            torch.stack([xw, xx, xy, xz], -1),
            torch.stack([yw, xy, yy, yz], -1),
            torch.stack([zw, xz, yz, zz], -1),
        ],
        -2,
    )
    best = torch.stack([1 + trace, xx, yy, zz], -1).argmax(-1)
    chosen = rows.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    chosen = torch.where(chosen[..., :1] < 0, -chosen, chosen)
    return chosen / chosen.norm(dim=-1, keepdim=True)


def about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotations by angles (n,) about axes (n, 3) of any length, (n, 3, 3)."""
    x, y, z = (axis / axis.norm(dim=-1, keepdim=True).clamp(min=1e-12)).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(-1, 3, 3)
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3, device=axis.device) + sin * cross + (1 - cos) * cross @ cross


def ray_turn(start: Tensor, end: Tensor) -> Tensor:
    """The smallest rotations that take directions to others, (n, 3) each -> (n, 3, 3)."""
    axis = torch.linalg.cross(start, end)
    angle = torch.atan2(axis.norm(dim=-1), (start * end).sum(-1))
    return about(axis, angle)

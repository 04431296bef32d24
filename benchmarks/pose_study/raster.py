"""Triangles smaller than a few pixels, drawn in batches by plain torch."""

from __future__ import annotations

import torch
from torch import Tensor

REACH = 5
"""Largest triangle that is drawn whole, pixels."""


def draw(points: Tensor, faces: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The nearest face in every pixel, and the shares of its corners there.

    Args:
        points: Pixel coordinates and depth, (B, V, 3); integers are pixel centres.
        faces: (F, 3).
        side: Of the square image.

    Returns:
        Face or -1, (B, side, side); shares in space, not on the image, (B, side, side, 3).
    """
    batch, count = len(points), len(faces)
    corners = points[:, faces]  # (B, F, 3, 3)
    low = corners[..., :2].amin(2).ceil()
    steps = torch.arange(REACH, device=points.device, dtype=points.dtype)
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing='xy'), -1).flatten(0, 1)
    pixels = low[:, :, None] + offsets  # (B, F, K, 2)
    area, shares = _shares(corners[:, :, None], pixels)
    inverse = (shares / corners[:, :, None, :, 2]).sum(-1)
    inside = (shares >= -0.02).all(-1) & (area.abs() > 1e-9)
    inside &= (pixels >= 0).all(-1) & (pixels < side).all(-1)
    numbers = torch.arange(batch, device=points.device)[:, None, None]
    index = (numbers * side + pixels[..., 1].long()) * side + pixels[..., 0].long()
    index = torch.where(inside, index, batch * side * side).flatten()
    inverse = inverse.flatten()
    buffer = inverse.new_zeros(batch * side * side + 1).scatter_reduce_(0, index, inverse, 'amax')
    wins = inverse == buffer[index]
    owner = torch.full((batch * side * side + 1,), -1, device=points.device)
    face = torch.arange(count, device=points.device)[None, :, None].expand(inside.shape).flatten()
    owner.scatter_(0, torch.where(wins, index, batch * side * side), face)
    owner = owner[:-1].view(batch, side, side)
    line = torch.arange(side, device=points.device, dtype=points.dtype)
    grid = torch.stack(torch.meshgrid(line, line, indexing='xy'), -1)
    chosen = corners[numbers, owner.clamp(min=0)]  # (B, side, side, 3, 3)
    _, shares = _shares(chosen, grid)
    shares = (shares / chosen[..., 2]).clamp(min=0)
    return owner, shares / shares.sum(-1, keepdim=True).clamp(min=1e-9)


def _shares(corners: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Twice the area of triangles, and the shares of the corners at pixels."""
    a, b, c = (corners[..., k, :2] for k in range(3))
    cross = lambda u, v: u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]  # noqa: E731
    area = cross(b - a, c - a)
    safe = torch.where(area.abs() > 1e-9, area, torch.ones_like(area))
    second, third = cross(pixels - a, c - a) / safe, cross(b - a, pixels - a) / safe
    return area, torch.stack([1 - second - third, second, third], -1)


def gather_corners(values: Tensor, faces: Tensor, owner: Tensor, shares: Tensor) -> Tensor:
    """Values of the vertices at the visible points, (B, V, C) -> (B, side, side, C)."""
    numbers = torch.arange(len(values), device=values.device)[:, None, None, None]
    corners = values[numbers, faces[owner.clamp(min=0)]]  # (B, side, side, 3, C)
    return (corners * shares[..., None]).sum(-2) * (owner >= 0)[..., None]

"""From the maps of the network to 3D-2D correspondences (docs/method_6dof.md 1.2, 1.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

WEIGHT_MODES = ('softmax_per_cell', 'mean_exp')


def point_weights(
    logits: Tensor, scale: Tensor, cell: Tensor, mode: str = 'softmax_per_cell'
) -> Tensor:
    """Weights of the points, normalised over them, per image axis.

    Args:
        logits: (B, n, 2).
        scale: (B, 2).
        cell: Size of a grid cell in pixels of the image, (B,).
        mode: ``softmax_per_cell`` (v2): a softmax times scale, in units of cells; ``mean_exp``
            (v1): the logits' mean is taken instead of their log-sum, and the cell plays no part.

    Returns:
        (B, n, 2).

    Raises:
        ValueError: If there is no such mode.
    """
    if mode == 'softmax_per_cell':
        return logits.softmax(1) * (scale / cell[:, None])[:, None]
    if mode == 'mean_exp':
        centered = logits - logits.mean(1, keepdim=True) - math.log(logits.size(1))
        return centered.exp() * scale[:, None]
    raise ValueError(f'weights must be one of {WEIGHT_MODES}, got {mode!r}')


def object_points(noc: Tensor, half_extents: Tensor, center: Tensor) -> Tensor:
    """Normalised coordinates to metres.

    Args:
        noc: (B, n, 3).
        half_extents: Half size of the model's bounding box, metres, (B, 3).
        center: Centre of that box in the object frame, metres, (B, 3); zero for LineMOD's models.
    """
    return noc * half_extents[:, None] + center[:, None]


def flatten_cells(maps: Tensor, indices: Tensor | None = None) -> Tensor:
    """Cells of maps as points, row by row.

    Args:
        maps: (B, C, h, w).
        indices: Flat cells to take, (B, n); None for all.

    Returns:
        (B, n, C).
    """
    flat = maps.flatten(2).transpose(1, 2)
    if indices is None:
        return flat
    return flat.gather(1, indices[..., None].expand(-1, -1, flat.size(2)))


def draw_cells(
    num_objects: int,
    num_cells: int,
    num_points: int,
    device: torch.device | str,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Uniform draws without replacement, one set per object, (B, num_points)."""
    keys = torch.rand(num_objects, num_cells, device=device, generator=generator)
    return keys.topk(min(num_points, num_cells), dim=1).indices

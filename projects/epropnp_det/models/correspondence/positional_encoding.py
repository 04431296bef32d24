"""Sine encoding of image positions, for dense maps and for single points (docs/method.md 2.4).

Both use one formula on the position relative to the valid canvas, in [0, 1]; cell ``i`` of a map
lies at its centre ``(i + 0.5) * stride``. Where the stride divides the canvas, this equals mmdet's
``SinePositionalEncoding(normalize=True, offset=-0.5)``; elsewhere it stays continuous.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ['cell_positions', 'encode_points', 'sine_encoding']


def sine_encoding(position: Tensor, num_feats: int, temperature: float = 10000.0) -> Tensor:
    """Interleaved sines and cosines of a position with geometrically falling frequencies.

    Args:
        position: Position relative to the image side, 0 at one border and 1 at the other, (...).
        num_feats: Number of features, even.
        temperature: Ratio between the highest and the lowest frequency.

    Returns:
        ``[sin, cos, sin, cos, ...]`` of ``2 pi position / temperature^(2 k / num_feats)``,
        (..., num_feats).
    """
    exponent = torch.arange(0, num_feats, 2, dtype=position.dtype, device=position.device)
    angle = 2 * math.pi * position[..., None] / temperature ** (exponent / num_feats)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def encode_points(points: Tensor, size: Tensor, num_feats: int) -> Tensor:
    """Encodes points of the network image.

    Args:
        points: x, y in network pixels, (n, 2).
        size: Width and height of the valid canvas, (n, 2).
        num_feats: Features per axis.

    Returns:
        ``[y | x]`` features, (n, 2 * num_feats).
    """
    return sine_encoding((points / size).flip(-1), num_feats).flatten(-2)


def cell_positions(num_cells: int, stride: int, length: Tensor) -> Tensor:
    """Centres of the cells along one side of a map, relative to the valid canvas.

    Args:
        num_cells: Cells along this side.
        stride: Size of a cell in network pixels.
        length: Valid canvas length along this side per image in network pixels, (B,).

    Returns:
        Positions; beyond 1 in the padding, (B, num_cells).
    """
    centers = (torch.arange(num_cells, dtype=length.dtype, device=length.device) + 0.5) * stride
    return centers / length[:, None]

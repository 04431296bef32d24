"""Sampling locations as points of the original image, and their validity (method.md 2.5)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['border_validity', 'mirror', 'network_to_image']


def mirror(vectors: Tensor, axis: int, flipped: Tensor) -> Tensor:
    """Negates one component of the vectors that come from mirrored images.

    Args:
        vectors: (n, ..., d).
        axis: The component that mirroring the image negates.
        flipped: Whether the image of the object was mirrored, bool (n,).

    Returns:
        Vectors, same shape.
    """
    dims = vectors.shape[-1]
    negated = flipped[:, None] & (torch.arange(dims, device=vectors.device) == axis)
    negated = negated.view(len(vectors), *[1] * (vectors.dim() - 2), dims)
    return torch.where(negated, -vectors, vectors)


def network_to_image(points: Tensor, img2net: Tensor) -> Tensor:
    """Carries network pixels back to original pixels, unbounded and differentiable.

    Args:
        points: x, y in network pixels, (n, ..., 2).
        img2net: Affine map original -> network pixels, (n, 3, 3).

    Returns:
        Points in original pixels, same shape.
    """
    (a, b), (c, d) = (row.unbind(-1) for row in img2net[:, :2, :2].unbind(-2))
    adjugate = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    inverse = adjugate / (a * d - b * c)[:, None, None]  # (n, 2, 2)
    flat = points.flatten(1, -2) - img2net[:, None, :2, 2]  # (n, M, 2)
    return (flat @ inverse.transpose(1, 2)).view_as(points)


def border_validity(locations: Tensor, size: Tensor, stride: int, ramp: str) -> Tensor:
    """Share of a location that lies on the canvas, falling linearly across its border.

    Args:
        locations: x, y in network pixels, (n, ..., 2).
        size: Width and height of the valid canvas, (n, 2).
        stride: Width of the ramp in network pixels, the output stride.
        ramp: ``'symmetric'``: half a ramp on either side of each border, which is how the official
            v1 samples a map of ones with zero padding. ``'official'``: as the official v2, whose
            left and upper ramps lie one cell too far inside (W12); for its checkpoints only.

    Returns:
        Product over both axes, in [0, 1], (n, ...).
    """
    size = size.view(size.shape[0], *[1] * (locations.dim() - 2), 2)
    half = 0.5 * stride
    inner = locations - half if ramp == 'official' else locations + half
    before = (inner / stride).clamp(0, 1)
    after = ((size + half - locations) / stride).clamp(0, 1)
    return torch.minimum(before, after).prod(-1)

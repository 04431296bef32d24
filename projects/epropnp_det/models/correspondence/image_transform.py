"""Sampling locations as points of the original image, and their validity (docs/method.md 2.5)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    'border_validity',
    'clamp_to_cells',
    'mirror',
    'network_to_image',
    'shift_pixel_center',
]


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


def shift_pixel_center(img2net: Tensor, pixel_center: float) -> Tensor:
    """The map for original pixels whose first centre has another coordinate.

    ``img2net`` counts original pixels from the edge of the first one, so its centre is 0.5. The
    official v1 and v1b read the intrinsics as if that centre were 0: their rays, 2D points and
    clip bounds lie half a pixel up and to the left (docs/method.md 0).

    Args:
        img2net: Affine map original -> network pixels, (..., 3, 3).
        pixel_center: Coordinate of the centre of the first original pixel: 0.5 (v2) or 0.0.

    Returns:
        (..., 3, 3); the input itself for 0.5.
    """
    if pixel_center == 0.5:
        return img2net
    translation = img2net[..., :2, :2].sum(-1) * (0.5 - pixel_center) + img2net[..., :2, 2]
    linear, last_row = img2net[..., :2, :2], img2net[..., 2:, :]
    return torch.cat([torch.cat([linear, translation[..., None]], -1), last_row], -2)


def clamp_to_cells(locations: Tensor, size: Tensor, stride: int) -> Tensor:
    """Moves locations beyond the outermost cell centres of a map onto them.

    This is what bilinear sampling of a coordinate map with border padding does: the official v1 and
    v1b read their 2D points from one. Equal to theirs where the stride divides the canvas, as in
    every published configuration.

    Args:
        locations: x, y in network pixels, (n, ..., 2).
        size: Width and height of the valid canvas, (n, 2).
        stride: Size of a cell in network pixels.
    """
    size = size.view(size.shape[0], *[1] * (locations.dim() - 2), 2)
    half = 0.5 * stride
    return torch.minimum(locations.clamp(min=half), size - half)


def border_validity(locations: Tensor, size: Tensor, stride: int, ramp: str) -> Tensor:
    """Share of a location that lies on the canvas, falling linearly across its border.

    Args:
        locations: x, y in network pixels, (n, ..., 2).
        size: Width and height of the valid canvas, (n, 2).
        stride: Width of the ramp in network pixels, the output stride.
        ramp: ``'symmetric'``: half a ramp on either side of each border, which is how the official
            v1 samples a map of ones with zero padding. ``'official'``: as the official v2, whose
            left and upper ramps lie one cell too far inside (docs/differences.md W12); for its
            checkpoints only.

    Returns:
        Product over both axes, in [0, 1], (n, ...).
    """
    size = size.view(size.shape[0], *[1] * (locations.dim() - 2), 2)
    half = 0.5 * stride
    inner = locations - half if ramp == 'official' else locations + half
    before = (inner / stride).clamp(0, 1)
    after = ((size + half - locations) / stride).clamp(0, 1)
    share = torch.minimum(before, after)
    return share[..., 0] * share[..., 1]

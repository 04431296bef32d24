"""Which objects can be solved at all."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pose import Parametrization
from .frames import finite_objects


def usable(
    pose_type: Parametrization,
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    pose_init: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """Whether objects are finite and have enough weights, spread, and a camera that sees.

    Args:
        pose_type: Parametrisation that will be solved for.
        points: ``x, y, z``, pixels ``u, v`` and weights, padding zero, (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: Smallest u and v, largest u and v, (B, 4).
        pose_init: (B, dim), if there is one.
        mask: Which points there are, (B, N); None for all.

    Returns:
        bool (B,).
    """
    finite = finite_objects(points, cam2img, *[] if pose_init is None else [pose_init])
    pixels, weights = points[:, 3:5], points[:, 5:]
    first = pixels[..., :1]
    if mask is not None:
        seen = mask.to(torch.uint8).argmax(1)[:, None, None].expand(-1, 2, 1)
        first = torch.where(mask[:, None], pixels.gather(2, seen), pixels)
    spread = (pixels != first).flatten(1).any(1)
    enough = (weights > 0).sum((1, 2)) >= pose_type.dof
    sees = cam2img[:, 0, 0] * cam2img[:, 1, 1] != cam2img[:, 0, 1] * cam2img[:, 1, 0]
    ordered = (bounds[:, :2] < bounds[:, 2:]).all(1)
    positive = weights.amin((1, 2)) >= 0
    return torch.stack((finite, spread, enough, positive, sees, ordered)).all(0)

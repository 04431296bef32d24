"""From pixels to the problem that is solved: threshold, origin, units (docs/method.md 1.1, 1.3)."""

from __future__ import annotations

from typing import Callable

from torch import Tensor
from torch.nn import functional

from ..problem import Problem, make_problem


def build_problem(
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    z_min: float,
    mask: Tensor | None,
    cost: Callable[..., Tensor],
    centered: bool,
) -> tuple[Problem, Tensor | None]:
    """Problems whose objects have a Huber threshold; differentiable by points and intrinsics.

    Args:
        points: ``x, y, z``, pixels ``u, v`` and weights per pixel, padding zero, (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: Smallest and largest pixels, ``u, v, u, v``, (B, 4).
        z_min: Smallest depth in metres.
        mask: Which points there are, (B, N); None for all.
        cost: Thresholds from pixels and weights, (B, N, 2) each, and from the mask if there is one.
        centered: Whether the mean of the points becomes the origin; it is a constant.

    Returns:
        Problems, and the new origin in object coordinates, (B, 3) or None.
    """
    x2d, w2d = (part.transpose(1, 2) for part in points[:, 3:].split(2, dim=1))
    # a cost of the user's own need not know masks
    delta = cost(x2d, w2d, *[] if mask is None else [mask])
    offset = None
    if centered:
        offset = _mean_position(points.detach()[:, :3], mask)
        points = points - functional.pad(offset, (0, 4))[..., None]
    return make_problem(points, delta, cam2img, bounds, z_min), offset


def _mean_position(x3d: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of the points, (B, 3, N) -> (B, 3); padding is zero and does not count."""
    if mask is None:
        return x3d.mean(-1)
    return x3d.sum(-1) / mask.to(x3d.dtype).sum(-1, keepdim=True).clamp(min=1)

"""From what came in to the problem that is solved (docs/method.md 1.1, 1.3).

Objects that cannot be solved become placeholders; the others get a threshold, an origin and units.
"""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import Tensor
from torch.nn import functional

from ..constants import constant
from ..problem import Problem, make_problem
from .frames import finite_objects
from .linear_algebra import eye_like


def build_problem(
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    valid: Tensor,
    z_min: float,
    mask: Tensor | None,
    cost: Callable[..., Tensor],
    centered: bool,
) -> tuple[Problem, Tensor | None]:
    """Problems whose objects have a Huber threshold; differentiable by points and intrinsics.

    Nothing that an invalid object holds reaches its problem, and no object gets a gradient that is
    not finite.

    Args:
        points: ``x, y, z``, pixels ``u, v`` and weights per pixel, padding zero, (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: Smallest and largest pixels, ``u, v, u, v``, (B, 4).
        valid: Which objects can be solved, (B,).
        z_min: Smallest depth in metres.
        mask: Which points there are, (B, N); None for all.
        cost: Thresholds from pixels and weights, (B, N, 2) each, and from the mask if there is one.
        centered: Whether the mean of the points becomes the origin; it is a constant.

    Returns:
        Problems, and the new origin in object coordinates, (B, 3) or None.
    """
    place = valid[:, None, None]
    bounds = torch.where(place[..., 0], bounds, constant((-1.0, -1.0, 1.0, 1.0), bounds))
    cam2img = torch.where(place, cam2img, eye_like(points, 3))
    points = torch.where(place, points, constant(0.0, points))
    if torch.is_grad_enabled() and (points.requires_grad or cam2img.requires_grad):
        # every output of the guard requires gradient, so constants stay outside
        if cam2img.requires_grad:
            points, cam2img = GuardGradient.apply(points, cam2img)
        else:
            (points,) = GuardGradient.apply(points)
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


class GuardGradient(torch.autograd.Function):
    """Identity whose gradient is zero for objects where any part of it is not finite."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, ...]:
        """Passes the tensors on; torch 1.13 gives a context before them."""
        return tuple(arg.view_as(arg) for arg in args if isinstance(arg, Tensor))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        """Keeps nothing."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Gradients, or zeros where they are not finite."""
        bad = ~finite_objects(*grads)[:, None, None]
        return tuple(grad.masked_fill(bad, 0.0) for grad in grads)

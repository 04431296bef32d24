"""Batches of PnP problems in the two layouts that the layer computes in.

`Problem` puts objects first and points last: one batched matrix product projects the points of an
object under many poses (`monte_carlo_cost`). `Columns` puts objects last: every step of a solver is
then an elementwise operation over contiguous objects, however few points each has
(`linearization`). Both hold *normalised* image coordinates: the principal point is the origin and
the focal lengths are the units, of the points as of the bounds, and weights are per unit. Costs
stay what they were in pixels, and a camera without skew leaves nothing to multiply with. The layer
builds a `Problem` once per call; nothing here is public.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .cost import huber
from .pose import Parametrization

SQUARE_FLOOR = 1e-20
"""Smallest squared residual norm: its root has a finite gradient, and is zero to float32."""


class Problem(NamedTuple):
    """PnP problems of ``B`` objects with ``N`` points each, objects first; see `make_problem`.

    Attributes:
        x3d: Homogeneous object-frame points, (B, 4, N).
        x2d: Normalised image points, (B, 2, N).
        w2d: Weights per normalised unit, (B, 2, N).
        delta: Huber thresholds, (B,).
        mix: Skew: camera points ``p`` project to ``(mix p_xy) / p_z``, (B, 2, 2); None for none.
        lower: Lower clamp of the projections, (B, 2) or None.
        upper: Upper clamp, (B, 2) or None.
        z_min: Smallest depth in metres.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    delta: Tensor
    mix: Tensor | None
    lower: Tensor | None
    upper: Tensor | None
    z_min: float

    def detach(self) -> Problem:
        """The same problem without gradients."""
        tensors = (field.detach() if isinstance(field, Tensor) else field for field in self)
        return Problem(*tensors)  # type: ignore[arg-type]

    def slice(self, start: int, stop: int) -> Problem:
        """The objects from ``start`` to ``stop``."""
        parts = (field[start:stop] if isinstance(field, Tensor) else field for field in self)
        return Problem(*parts)  # type: ignore[arg-type]

    def select(self, index: Tensor) -> Problem:
        """The objects that ``index`` (n,) names."""
        parts = (
            field.index_select(0, index) if isinstance(field, Tensor) else field for field in self
        )
        return Problem(*parts)  # type: ignore[arg-type]

    def columns(self) -> Columns:
        """The same problem with objects last."""
        return Columns(
            self.x3d[:, :3].permute(1, 2, 0).contiguous(),
            self.x2d.permute(1, 2, 0).contiguous(),
            self.w2d.square().permute(1, 2, 0).contiguous(),
            self.delta,
            None if self.mix is None else self.mix.permute(1, 2, 0).contiguous(),
            None if self.lower is None else self.lower.t()[:, None].contiguous(),
            None if self.upper is None else self.upper.t()[:, None].contiguous(),
            self.z_min,
        )


class Columns(NamedTuple):
    """PnP problems of ``B`` objects with ``N`` points each, objects last.

    Attributes:
        x3d: Object-frame points, (3, N, B).
        x2d: Normalised image points, (2, N, B).
        square_w2d: Squared weights, which is all a solver needs of them, (2, N, B).
        delta: Huber thresholds, (B,).
        mix: Skew, (2, 2, B) or None.
        lower: Lower clamp of the projections, (2, 1, B) or None.
        upper: Upper clamp, (2, 1, B) or None.
        z_min: Smallest depth in metres.
    """

    x3d: Tensor
    x2d: Tensor
    square_w2d: Tensor
    delta: Tensor
    mix: Tensor | None
    lower: Tensor | None
    upper: Tensor | None
    z_min: float


def make_problem(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    cam2img: Tensor,
    lower: Tensor | None,
    upper: Tensor | None,
    z_min: float,
) -> Problem:
    """Normalises the image coordinates.

    Args:
        x3d: Object-frame points, (B, N, 3).
        x2d: Pixels, (B, N, 2).
        w2d: Weights per pixel, (B, N, 2).
        delta: Huber thresholds, (B,).
        cam2img: Invertible intrinsics with last row [0, 0, 1], (B, 3, 3).
        lower: Lower clamp of the projections in pixels, (B, 2) or None.
        upper: Upper clamp, (B, 2) or None.
        z_min: Smallest depth in metres.
    """
    center, affine = cam2img[:, :2, 2], cam2img[:, :2, :2]
    focal = affine.abs().sum(-1)  # (B, 2)
    mix = affine / focal[..., None]
    # only on the CPU: elsewhere, looking would wait for the device; a traced graph stays general
    look = mix.device.type == 'cpu' and not torch.jit.is_tracing()
    straight = look and bool((mix == torch.eye(2, dtype=mix.dtype)).all())
    homogeneous = torch.cat((x3d, torch.ones_like(x3d[..., :1])), dim=-1)
    return Problem(
        homogeneous.transpose(1, 2).contiguous(),
        ((x2d - center[:, None]) / focal[:, None]).transpose(1, 2).contiguous(),
        (w2d * focal[:, None]).transpose(1, 2).contiguous(),
        delta,
        None if straight else mix,
        None if lower is None else (lower - center) / focal,
        None if upper is None else (upper - center) / focal,
        z_min,
    )


def clamp_points(points: Tensor, lower: Tensor | None, upper: Tensor | None) -> Tensor:
    """Clamps to bounds that broadcast, either of which may be None."""
    if lower is not None:
        points = torch.maximum(points, lower)
    if upper is not None:
        points = torch.minimum(points, upper)
    return points


def pose_cost(pose_type: Parametrization, problem: Problem, pose: Tensor) -> Tensor:
    """Robust cost of one pose per object, differentiable by everything.

    Args:
        pose_type: Parametrisation of ``pose``.
        problem: ``B`` objects.
        pose: (B, dim).

    Returns:
        (B,).
    """
    matrices = torch.cat((pose_type.rotation(pose), pose[:, :3, None]), dim=-1)
    points = matrices @ problem.x3d  # (B, 3, N)
    lateral = points[:, :2] if problem.mix is None else problem.mix @ points[:, :2]
    lower = None if problem.lower is None else problem.lower[..., None]
    upper = None if problem.upper is None else problem.upper[..., None]
    depth = points[:, 2:].clamp(min=problem.z_min)
    residual = (clamp_points(lateral / depth, lower, upper) - problem.x2d) * problem.w2d
    distance = (residual * residual).sum(1).clamp(min=SQUARE_FLOOR).sqrt()  # (B, N)
    return huber(distance, problem.delta[:, None]).sum(-1)

"""Batches of PnP problems as the computations take them: objects first, points last.

Image coordinates are *normalised*: the principal point is the origin and the focal lengths are the
units, of the points as of the bounds, and weights are per unit. Costs stay what they were in
pixels, and numbers stay near one. The layer builds a `Problem` once per call; nothing here is
public.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from .constants import constant

SQUARE_FLOOR = 1e-20
"""Smallest squared residual norm: its root has a finite gradient, and is zero to float32."""


class Problem(NamedTuple):
    """PnP problems of ``B`` objects with ``N`` points each; see `make_problem`.

    Attributes:
        x3d: Object-frame points, (B, 3, N).
        x2d: Normalised image points, (B, 2, N).
        w2d: Weights per normalised unit, (B, 2, N).
        delta: Huber thresholds, (B,).
        camera: Normalised intrinsics, (B, 3, 3): the identity but for skew, in its upper left
            2 x 2 block. Camera points ``p`` project to ``(camera p)_xy / p_z``.
        lower: Lower clamp of the projections, (B, 2).
        upper: Upper clamp, (B, 2).
        z_min: Smallest depth in metres.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    delta: Tensor
    camera: Tensor
    lower: Tensor
    upper: Tensor
    z_min: float

    @classmethod
    def of(cls, tensors: Iterable[Tensor], z_min: float) -> Problem:
        """From the first seven fields and the last."""
        x3d, x2d, w2d, delta, camera, lower, upper = tensors
        return cls(x3d, x2d, w2d, delta, camera, lower, upper, z_min)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything but ``z_min``."""
        return (*self[:-1],)

    def detach(self) -> Problem:
        """The same problem without gradients."""
        return Problem.of((field.detach() for field in self.tensors), self.z_min)

    def slice(self, start: int, stop: int) -> Problem:
        """The objects from ``start`` to ``stop``."""
        return Problem.of((field[start:stop] for field in self.tensors), self.z_min)

    def select(self, index: Tensor) -> Problem:
        """The objects that ``index`` (n,) names."""
        return Problem.of((field.index_select(0, index) for field in self.tensors), self.z_min)

    def subsets(self, indices: Tensor) -> Problem:
        """The problems that keep only some points, indices (B, P, k) -> ``B * P`` objects."""
        num_subsets, size = indices.shape[1:]
        rows = torch.cat((self.x3d, self.x2d, self.w2d), dim=1)[:, None]  # (B, 1, 7, N)
        picked = rows.expand(-1, num_subsets, -1, -1).gather(
            3, indices[:, :, None].expand(-1, -1, 7, -1)
        )
        x3d, x2d, w2d = picked.reshape(-1, 7, size).split((3, 2, 2), dim=1)
        cameras = (
            field[:, None].expand(-1, num_subsets, *field.shape[1:]).reshape(-1, *field.shape[1:])
            for field in self.tensors[3:]
        )
        return Problem.of((x3d, x2d, w2d, *cameras), self.z_min)


def make_problem(
    points: Tensor, delta: Tensor, cam2img: Tensor, bounds: Tensor, z_min: float
) -> Problem:
    """Normalises the image coordinates; differentiable by all of the tensors.

    Args:
        points: ``x, y, z``, pixels ``u, v`` and weights per pixel, (B, 7, N).
        delta: Huber thresholds, (B,).
        cam2img: Invertible intrinsics with last row [0, 0, 1], (B, 3, 3).
        bounds: Smallest and largest pixels, ``u, v, u, v``, (B, 4).
        z_min: Smallest depth in metres.
    """
    x3d, x2d, w2d = points.split((3, 2, 2), dim=1)
    center, affine = cam2img[:, :2, 2:], cam2img[:, :2, :2]
    focal = affine.abs().sum(-1, keepdim=True)  # (B, 2, 1)
    camera = torch.nn.functional.pad(affine / focal, (0, 1, 0, 1))
    last = constant(((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)), camera)
    lower, upper = (
        (bounds.reshape(-1, 2, 2) - center.transpose(1, 2)) / focal.transpose(1, 2)
    ).unbind(1)
    return Problem(
        x3d,
        (x2d - center) / focal,
        w2d * focal,
        delta,
        camera + last,
        lower,
        upper,
        z_min,
    )

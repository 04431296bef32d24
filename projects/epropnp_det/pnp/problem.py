"""Batches of PnP problems in the two layouts that the layer computes in.

`Problem` puts objects first and points last: one batched matrix product projects the points of an
object under many poses (`monte_carlo_cost`). `Columns` puts objects last: every step of a solver is
then an elementwise operation over contiguous objects, however few points each has (`linearize`).
The layer builds a `Problem` once per call; nothing here is public.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .cost import huber
from .linear_algebra import planar_matmul
from .pose import Parametrization

SQUARE_FLOOR = 1e-20
"""Smallest squared residual norm: its root has a finite gradient, and is zero to float32."""


class Problem(NamedTuple):
    """PnP problems of ``B`` objects with ``N`` points each, objects first.

    Attributes:
        x3d: Homogeneous object-frame points, (B, 4, N).
        x2d: Pixels, (B, 2, N).
        w2d: Weights, (B, 2, N).
        delta: Huber thresholds, (B,).
        cam2img: (B, 3, 3).
        lower: Lower clamp of the projections, (B, 2) or None.
        upper: Upper clamp, (B, 2) or None.
        z_min: Smallest depth in metres.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    delta: Tensor
    cam2img: Tensor
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
            self.w2d.permute(1, 2, 0).contiguous(),
            self.delta,
            self.cam2img.permute(1, 2, 0).contiguous(),
            None if self.lower is None else self.lower.t()[:, None].contiguous(),
            None if self.upper is None else self.upper.t()[:, None].contiguous(),
            self.z_min,
        )


class Columns(NamedTuple):
    """PnP problems of ``B`` objects with ``N`` points each, objects last.

    Attributes:
        x3d: Object-frame points, (3, N, B).
        x2d: Pixels, (2, N, B).
        w2d: Weights, (2, N, B).
        delta: Huber thresholds, (B,).
        cam2img: (3, 3, B).
        lower: Lower clamp of the projections, (2, 1, B) or None.
        upper: Upper clamp, (2, 1, B) or None.
        z_min: Smallest depth in metres.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    delta: Tensor
    cam2img: Tensor
    lower: Tensor | None
    upper: Tensor | None
    z_min: float


class Linearization(NamedTuple):
    """Robust cost and Gauss-Newton system of one pose per object, objects last.

    Attributes:
        cost: (B,).
        hessian: ``J^T J`` with the rescaled Jacobian, (dof, dof, B).
        gradient: ``J^T r`` with the rescaled Jacobian and residuals, (dof, B).
    """

    cost: Tensor
    hessian: Tensor
    gradient: Tensor

    def where(self, condition: Tensor, other: Linearization) -> Linearization:
        """Takes this one where ``condition`` (B,) holds, ``other`` elsewhere."""
        return Linearization(*(torch.where(condition, *pair) for pair in zip(self, other)))


class _Reprojection(NamedTuple):
    """Projected points and their errors."""

    unbounded: Tensor  # (2, N, B)
    pixels: Tensor  # clamped to the bounds, (2, N, B)
    depth: Tensor  # not clamped, (N, B)
    inverse_depth: Tensor  # clamped, (N, B)
    residual: Tensor  # weighted, (2, N, B)
    distance: Tensor  # norm of the residual, (N, B)
    inner: Tensor  # the same, at most delta, (N, B)

    def cost(self) -> Tensor:
        """Huber cost, (B,)."""
        return (self.inner * (self.distance - 0.5 * self.inner)).sum(0)


def clamp_pixels(pixels: Tensor, lower: Tensor | None, upper: Tensor | None) -> Tensor:
    """Clamps projections to image bounds that broadcast to them."""
    if lower is not None:
        pixels = torch.maximum(pixels, lower)
    if upper is not None:
        pixels = torch.minimum(pixels, upper)
    return pixels


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
    points = problem.cam2img @ matrices @ problem.x3d  # (B, 3, N)
    lower = None if problem.lower is None else problem.lower[..., None]
    upper = None if problem.upper is None else problem.upper[..., None]
    depth = points[:, 2:].clamp(min=problem.z_min)
    pixels = clamp_pixels(points[:, :2] / depth, lower, upper)
    residual = (pixels - problem.x2d) * problem.w2d
    distance = (residual * residual).sum(1).clamp(min=SQUARE_FLOOR).sqrt()  # (B, N)
    return huber(distance, problem.delta[:, None]).sum(-1)


def columns_cost(pose_type: Parametrization, columns: Columns, pose: Tensor) -> Tensor:
    """`pose_cost` in the other layout, (B, dim) -> (B,)."""
    return _reproject(columns, _rotation(pose_type, pose), pose).cost()


def linearize(
    pose_type: Parametrization, columns: Columns, pose: Tensor, clip_jac: bool = True
) -> Linearization:
    """Cost and Gauss-Newton system, differentiable by the correspondences.

    The residuals are rescaled as in iteratively reweighted least squares, by
    ``sqrt(min(1, delta / s))``, without the second-order term. Derivatives are taken by the
    homogeneous pixels ``h = K p`` first, where the Jacobian of a point has two zeros, and the sums
    are carried to camera coordinates by ``K`` (method.md sections 1.1 and 1.3).

    Args:
        pose_type: Parametrisation of ``pose``.
        columns: ``B`` objects.
        pose: (B, dim).
        clip_jac: Whether projections that sit on a bound, or points held at ``z_min``, get a zero
            Jacobian.
    """
    rotation = _rotation(pose_type, pose)  # (3, 3, B)
    view = _reproject(columns, rotation, pose)
    rescale = (view.inner / view.distance).clamp(min=SQUARE_FLOOR).sqrt()  # (N, B)
    by_xy = columns.w2d * (view.inverse_depth * rescale)  # by h_x or h_y, (2, N, B)
    if clip_jac:
        inside = (view.pixels == view.unbounded) & (view.depth > columns.z_min)
        by_xy = torch.where(inside, by_xy, torch.zeros_like(by_xy))
    by_z = -by_xy * view.pixels  # by h_z, (2, N, B)
    by_rotation = []
    for derivative in pose_type.rotation_derivatives(rotation):
        moved = _transform(planar_matmul(columns.cam2img, derivative), columns.x3d)  # (3, N, B)
        by_rotation.append(torch.addcmul(by_xy * moved[:2], by_z, moved[2]))
    hessian, gradient = _assemble(by_xy, by_z, by_rotation, view.residual * rescale)
    return Linearization(view.cost(), *_to_camera(columns.cam2img, hessian, gradient))


def _rotation(pose_type: Parametrization, pose: Tensor) -> Tensor:
    """Rotation matrices with objects last, (B, dim) -> (3, 3, B)."""
    entries = pose_type.rotation_entries(pose)
    return torch.stack([torch.stack(entries[row : row + 3]) for row in (0, 3, 6)])


def _transform(matrix: Tensor, points: Tensor) -> Tensor:
    """``matrix @ points``, and a translation in the fourth column, (3, 3 or 4, B) -> (3, N, B)."""
    columns = matrix[:, :, None].unbind(1)  # each (3, 1, B)
    if len(columns) == 4:
        result = torch.addcmul(columns[3], columns[0], points[0])
    else:
        result = columns[0] * points[0]
    return torch.addcmul(torch.addcmul(result, columns[1], points[1]), columns[2], points[2])


def _reproject(columns: Columns, rotation: Tensor, pose: Tensor) -> _Reprojection:
    matrix = torch.cat((rotation, pose[:, :3].t()[:, None]), dim=1)  # (3, 4, B)
    points = _transform(planar_matmul(columns.cam2img, matrix), columns.x3d)  # (3, N, B)
    inverse_depth = points[2].clamp(min=columns.z_min).reciprocal()
    unbounded = points[:2] * inverse_depth
    pixels = clamp_pixels(unbounded, columns.lower, columns.upper)
    residual = (pixels - columns.x2d) * columns.w2d
    square = torch.addcmul(residual[0] * residual[0], residual[1], residual[1])
    distance = square.clamp(min=SQUARE_FLOOR).sqrt()
    inner = torch.minimum(distance, columns.delta)
    return _Reprojection(unbounded, pixels, points[2], inverse_depth, residual, distance, inner)


def _assemble(
    by_xy: Tensor, by_z: Tensor, by_rotation: list[Tensor], residual: Tensor
) -> tuple[Tensor, Tensor]:
    """``J^T J`` (dof, dof, B) and ``J^T r`` (dof, B) by homogeneous pixels and rotation."""

    def dot(one: Tensor, other: Tensor) -> Tensor:
        return (one * other).sum(1)  # (2, B)

    def with_position(other: Tensor) -> Tensor:
        return torch.cat((dot(by_xy, other), dot(by_z, other).sum(0, keepdim=True)))  # (3, B)

    square, cross = dot(by_xy, by_xy), dot(by_xy, by_z)
    zero = torch.zeros_like(square[0])
    position = torch.stack(
        (
            torch.stack((square[0], zero, cross[0])),
            torch.stack((zero, square[1], cross[1])),
            torch.cat((cross, dot(by_z, by_z).sum(0, keepdim=True))),
        )
    )  # (3, 3, B)
    mixed = torch.stack([with_position(column) for column in by_rotation], dim=1)
    sums = {}
    for row, one in enumerate(by_rotation):
        for column, other in enumerate(by_rotation[: row + 1]):
            sums[row, column] = sums[column, row] = dot(one, other).sum(0)
    count = range(len(by_rotation))
    rotation = torch.stack([torch.stack([sums[row, column] for column in count]) for row in count])
    top = torch.cat((position, mixed), dim=1)
    bottom = torch.cat((mixed.transpose(0, 1), rotation), dim=1)
    gradient = [with_position(residual)]
    gradient.append(torch.stack([dot(column, residual).sum(0) for column in by_rotation]))
    return torch.cat((top, bottom)), torch.cat(gradient)


def _to_camera(cam2img: Tensor, hessian: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Changes the position's basis from homogeneous pixels ``K p`` to camera coordinates ``p``."""
    transposed = cam2img.transpose(0, 1)
    top = planar_matmul(transposed, torch.cat((hessian[:3], gradient[:3, None]), dim=1))
    position = planar_matmul(top[:, :3], cam2img)
    mixed = top[:, 3:-1]
    upper = torch.cat((position, mixed), dim=1)
    lower = torch.cat((mixed.transpose(0, 1), hessian[3:, 3:]), dim=1)
    return torch.cat((upper, lower)), torch.cat((top[:, -1], gradient[3:]))

"""What comes into the layer: checked, flattened to one object axis, and made harmless."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Optional, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from .camera import PerspectiveCamera
from .pose import Parametrization

MaybeTensor = TypeVar('MaybeTensor', Tensor, Optional[Tensor])


class Inputs(NamedTuple):
    """Correspondences of ``B`` objects in float32 or float64.

    Attributes:
        x3d: (B, N, 3).
        x2d: (B, N, 2).
        w2d: (B, N, 2).
        cam2img: (B, 3, 3).
        lower: (B, 2) or None.
        upper: (B, 2) or None.
        z_min: Metres.
        pose_init: Constant, (B, dim) or None.
        valid: Whether an object can be solved, (B,); the others hold placeholders.
        identity: Placeholder pose, (dim,).
        leading: Leading axes of the caller's tensors.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    cam2img: Tensor
    lower: Tensor | None
    upper: Tensor | None
    z_min: float
    pose_init: Tensor | None
    valid: Tensor
    identity: Tensor
    leading: tuple[int, ...]

    @property
    def num_axes(self) -> int:
        """Number of leading axes."""
        return len(self.leading)

    def unflatten(self, tensor: MaybeTensor) -> MaybeTensor:
        """Gives a result its leading axes back, (B, ...) -> (*leading, ...)."""
        if tensor is None:
            return None
        return tensor.reshape((*self.leading, *tensor.shape[1:]))


def prepare(
    pose_type: Parametrization,
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    camera: PerspectiveCamera,
    pose_init: Tensor | None,
) -> Inputs:
    """Checks and flattens the correspondences, and marks objects that cannot be solved.

    An object is invalid if any of its numbers is not finite, a weight is negative, fewer weights
    than degrees of freedom are positive, its points coincide in the image, or its focal length is
    zero. It is replaced by placeholders, so that nothing it holds reaches its neighbours or the
    gradient.

    Raises:
        ValueError: If shapes, types or devices disagree.
    """
    _check(pose_type, x3d, x2d, w2d, camera, pose_init)
    dtype = torch.float64 if x3d.dtype == torch.float64 else torch.float32
    leading = tuple(x3d.shape[:-2])
    num_objects = math.prod(leading)

    def flatten(tensor: Tensor, *event: int) -> Tensor:
        tensor = tensor.to(dtype)
        return tensor.expand((*leading, *event)).reshape((num_objects, *event))

    if x3d.size(-2) == 0:  # one point without weight stands for none
        x3d, x2d, w2d = (functional.pad(tensor, (0, 0, 0, 1)) for tensor in (x3d, x2d, w2d))
    num_points = x3d.size(-2)
    points = [
        flatten(x3d, num_points, 3),
        flatten(x2d, num_points, 2),
        flatten(w2d, num_points, 2),
    ]
    cam2img = flatten(camera.cam2img.detach(), 3, 3)
    lower, upper = (
        None if bound is None else flatten(bound.detach(), 2) for bound in camera.bounds()
    )
    identity = pose_type.identity(cam2img)
    with torch.no_grad():
        valid = _solvable(pose_type, *points) & finite_objects(cam2img)
        valid = valid & (torch.linalg.det(cam2img).abs() > 0)
        if lower is not None and upper is not None:
            valid = valid & (lower < upper).all(1)
        if pose_init is not None:
            pose_init = flatten(pose_init.detach(), pose_type.dim)
            valid = valid & finite_objects(pose_init)
            pose_init = torch.where(valid[:, None], pose_init, identity)
        eye = torch.eye(3, dtype=dtype, device=x3d.device)
        cam2img = torch.where(valid[:, None, None], cam2img, eye)
        if lower is not None:
            lower = torch.where(valid[:, None], lower, torch.full_like(lower, -1.0))
        if upper is not None:
            upper = torch.where(valid[:, None], upper, torch.full_like(upper, 1.0))
    points = [torch.where(valid[:, None, None], tensor, 0.0 * eye[0, 0]) for tensor in points]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in points):
        points = list(_GuardGradient.apply(*points))
    return Inputs(
        points[0],
        points[1],
        points[2],
        cam2img,
        lower,
        upper,
        camera.z_min,
        pose_init,
        valid,
        identity,
        leading,
    )


def finite_objects(*tensors: Tensor) -> Tensor:
    """Whether everything about an object is finite, (B, ...) each -> bool (B,)."""
    finite = [
        torch.isfinite(tensor).flatten(1).all(1) if tensor.dim() > 1 else torch.isfinite(tensor)
        for tensor in tensors
    ]
    return torch.stack(finite).all(0)


def expand_objects(pose: Tensor, inputs: Inputs, name: str) -> Tensor:
    """Flattens poses (*leading, dim) to (B, dim)."""
    expected = (*inputs.leading, inputs.identity.size(0))
    if tuple(pose.shape) != expected:
        raise ValueError(f'{name} must have shape {expected}, got {tuple(pose.shape)}')
    return pose.detach().flatten(0, -2) if inputs.leading else pose.detach()[None]


class _GuardGradient(torch.autograd.Function):
    """Identity whose gradient is zero for objects where any part of it is not finite."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        finite = finite_objects(*grads)[:, None, None]
        return tuple(torch.where(finite, grad, torch.zeros_like(grad)) for grad in grads)


def _solvable(pose_type: Parametrization, x3d: Tensor, x2d: Tensor, w2d: Tensor) -> Tensor:
    finite = finite_objects(x3d, x2d, w2d)
    enough = (w2d > 0).sum((1, 2)) >= pose_type.dof
    spread = (x2d != x2d[:, :1]).flatten(1).any(1)
    return finite & enough & spread & (w2d >= 0).flatten(1).all(1)


def _check(
    pose_type: Parametrization,
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    camera: PerspectiveCamera,
    pose_init: Tensor | None,
) -> None:
    """Raises ValueError where shapes, types or devices disagree."""
    if x3d.dim() < 2 or x3d.size(-1) != 3:
        raise ValueError(f'x3d must be (..., N, 3), got {tuple(x3d.shape)}')
    lower, upper = camera.bounds()
    leading = tuple(x3d.shape[:-2])
    points, pose = (*x3d.shape[:-1], 2), (*leading, pose_type.dim)
    exact = {'x2d': (x2d, points), 'w2d': (w2d, points), 'pose_init': (pose_init, pose)}
    per_object = {'cam2img': camera.cam2img[..., 0], 'camera.lower': lower, 'camera.upper': upper}
    for name, (tensor, shape) in exact.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ValueError(
                f'{name} must be {shape} to go with x3d {tuple(x3d.shape)} and '
                f'{pose_type.dof} degrees of freedom, got {tuple(tensor.shape)}'
            )
    for name, tensor in per_object.items():
        if tensor is not None and not _expandable(tuple(tensor.shape[:-1]), leading):
            raise ValueError(
                f'{name} has leading shape {tuple(tensor.shape[:-1])}, the points have {leading}; '
                'give one camera for all objects or one per object'
            )
    for name, tensor in {
        'x3d': x3d,
        'x2d': x2d,
        'w2d': w2d,
        'pose_init': pose_init,
        **per_object,
    }.items():
        if tensor is not None and not tensor.is_floating_point():
            raise ValueError(f'{name} must be floating point, got {tensor.dtype}')
        if tensor is not None and tensor.device != x3d.device:
            raise ValueError(f'{name} is on {tensor.device} but x3d on {x3d.device}; move one')


def _expandable(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    if len(shape) > len(target):
        return False
    return all(a in (1, b) for a, b in zip(shape[::-1], target[::-1]))

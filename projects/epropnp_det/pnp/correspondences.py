"""What comes into the layer: checked, flattened to one object axis, and screened."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from .backend import choose
from .camera import PerspectiveCamera
from .pose import Parametrization

MaybeTensor = TypeVar('MaybeTensor', Tensor, Optional[Tensor])

FAR = 1e30
"""Image bounds where a camera has none: beyond any pixel, and finite, so that gradients are."""


class Correspondences(NamedTuple):
    """Weighted 2D-3D correspondences as the caller gives them; travels as one value.

    Attributes:
        x3d: Object-frame points in metres, (..., N, 3).
        x2d: Pixels of the original image, (..., N, 2).
        w2d: Non-negative weights per axis, (..., N, 2).
        camera: One camera for all, or one per object.
        mask: Which points there are, bool (..., N); None for all. The others are padding.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    camera: PerspectiveCamera
    mask: Tensor | None = None


class Inputs(NamedTuple):
    """Correspondences of ``B`` objects in float32 or float64, points last.

    Attributes:
        points: ``x, y, z, u, v`` and the weights of ``u`` and ``v``, (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: Smallest u and v, largest u and v, (B, 4).
        z_min: Metres.
        mask: (B, N) or None.
        pose_init: Constant, (B, dim) or None.
        valid: Whether an object can be solved, (B,); the others hold whatever they do.
        identity: Placeholder pose, (dim,).
        leading: Leading axes of the caller's tensors.
    """

    points: Tensor
    cam2img: Tensor
    bounds: Tensor
    z_min: float
    mask: Tensor | None
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
    pose_type: Parametrization, correspondences: Correspondences, pose_init: Tensor | None
) -> Inputs:
    """Checks and flattens the correspondences, and marks objects that cannot be solved.

    An object is invalid if any of its numbers is not finite, a weight is negative, fewer weights
    than degrees of freedom are positive, its points coincide in the image, or its focal length is
    zero. `build_problem` replaces it by a placeholder, so that nothing it holds reaches its
    neighbours or the gradient. Padded points are replaced by zeros here.

    Raises:
        ValueError: If shapes, types or devices disagree.
    """
    check(pose_type, correspondences, pose_init)
    x3d, x2d, w2d, camera, mask = correspondences
    dtype = torch.float64 if x3d.dtype == torch.float64 else torch.float32
    leading = tuple(x3d.shape[:-2])
    num_objects = math.prod(leading)

    def flatten(tensor: Tensor, *event: int) -> Tensor:
        return tensor.expand((*leading, *event)).reshape((num_objects, *event))

    if x3d.size(-2) == 0:  # one point without weight stands for none
        x3d, x2d, w2d = (functional.pad(tensor, (0, 0, 0, 1)) for tensor in (x3d, x2d, w2d))
        mask = None
    fields = (flatten(tensor, *tensor.shape[-2:]).to(dtype) for tensor in (x3d, x2d, w2d))
    points = torch.cat([field.transpose(1, 2) for field in fields], dim=1)  # (B, 7, N)
    if mask is not None:
        mask = flatten(mask, mask.size(-1))
        points = torch.where(mask[:, None], points, torch.zeros_like(points))
    cam2img = flatten(camera.cam2img.to(dtype), 3, 3)
    sides = [
        torch.full_like(points[:, :2, 0], far) if bound is None else flatten(bound.to(dtype), 2)
        for bound, far in zip(camera.bounds(), (-FAR, FAR))
    ]
    bounds = torch.cat(sides, dim=1).detach()
    identity = pose_type.identity(points)
    with torch.no_grad():
        if pose_init is not None:
            pose_init = flatten(pose_init.detach().to(dtype), pose_type.dim)
        valid = choose(x3d).usable(pose_type, points, cam2img, bounds, pose_init, mask)
        if pose_init is not None:
            pose_init = torch.where(valid[:, None], pose_init, identity)
    return Inputs(points, cam2img, bounds, camera.z_min, mask, pose_init, valid, identity, leading)


def expand_objects(pose: Tensor, inputs: Inputs, name: str) -> Tensor:
    """Flattens poses (*leading, dim) to (B, dim)."""
    expected = (*inputs.leading, inputs.identity.size(0))
    if tuple(pose.shape) != expected:
        raise ValueError(f'{name} must have shape {expected}, got {tuple(pose.shape)}')
    return pose.detach().reshape(-1, pose.size(-1))


def check(
    pose_type: Parametrization, correspondences: Correspondences, pose_init: Tensor | None
) -> None:
    """Raises ValueError where shapes, types or devices disagree."""
    x3d, x2d, w2d, camera, mask = correspondences
    if x3d.dim() < 2 or x3d.size(-1) != 3:
        raise ValueError(f'x3d must be (..., N, 3), got {tuple(x3d.shape)}')
    lower, upper = camera.bounds()
    leading = tuple(x3d.shape[:-2])
    points, pose = (*x3d.shape[:-1], 2), (*leading, pose_type.dim)
    exact = {
        'x2d': (x2d, points),
        'w2d': (w2d, points),
        'mask': (mask, points[:-1]),
        'pose_init': (pose_init, pose),
    }
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
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f'mask must be bool, got {mask.dtype}; give mask=counts > arange(N)')
    numbers = {'x3d': x3d, 'x2d': x2d, 'w2d': w2d, 'pose_init': pose_init, **per_object}
    for name, tensor in {**numbers, 'mask': mask}.items():
        if tensor is not None and name in numbers and not tensor.is_floating_point():
            raise ValueError(f'{name} must be floating point, got {tensor.dtype}')
        if tensor is not None and tensor.device != x3d.device:
            raise ValueError(f'{name} is on {tensor.device} but x3d on {x3d.device}; move one')


def _expandable(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    if len(shape) > len(target):
        return False
    # Compared by ==: a compiler takes `in` for a comparison of values that it does not know yet.
    return all(a == 1 or a == b for a, b in zip(shape[::-1], target[::-1]))

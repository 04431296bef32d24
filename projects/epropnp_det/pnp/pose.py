"""Pose parametrisations: yaw only (4DoF) and unit quaternion (6DoF), docs/method.md 0 and 1.2.

Everything that differs between the two lives in these classes; solvers and samplers take the class
as an argument, so the degrees of freedom cannot disagree between them. A pose maps object
coordinates to camera coordinates: ``p = R(pose) x + t(pose)``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Motion(NamedTuple):
    """Velocities of camera-frame points, object axis last.

    Attributes:
        lateral: Along camera x and y, (2, N, B).
        depth: Along camera z, (N, B); None for none.
    """

    lateral: Tensor
    depth: Tensor | None


class PoseParametrization:
    """What a solver needs to know of a pose; the classes below are used, never instantiated.

    Attributes:
        dof: Degrees of freedom of the tangent space, translation first.
        dim: Numbers that store a pose.
    """

    dof: int
    dim: int

    @staticmethod
    def rotation_entries(pose: Tensor) -> tuple[Tensor, ...]:
        """The nine entries of the rotation matrices, row by row, (..., dim) -> 9 x (...)."""
        raise NotImplementedError

    @staticmethod
    def rotate(pose: Tensor, points: Tensor) -> Tensor:
        """Rotates points with the object axis last, (B, dim), (3, N, B) -> (3, N, B)."""
        raise NotImplementedError

    @staticmethod
    def rotation_motions(rotated: Tensor) -> tuple[Motion, ...]:
        """How rotated points (3, N, B) move along the ``dof - 3`` tangent coordinates."""
        raise NotImplementedError

    @classmethod
    def rotation(cls, pose: Tensor) -> Tensor:
        """Rotation matrices, (..., dim) -> (..., 3, 3)."""
        entries = cls.rotation_entries(pose)
        rows = [torch.stack(entries[row : row + 3], dim=-1) for row in (0, 3, 6)]
        return torch.stack(rows, dim=-2)

    @staticmethod
    def retract(pose: Tensor, step: Tensor) -> Tensor:
        """Moves poses along tangent vectors, (..., dim), (..., dof) -> (..., dim)."""
        raise NotImplementedError

    @staticmethod
    def random_rotation(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Uniformly distributed rotation parameters, (*shape, dim - 3)."""
        raise NotImplementedError

    @staticmethod
    def canonical(pose: Tensor) -> Tensor:
        """The same pose in its canonical form (wrapped yaw, unit quaternion)."""
        raise NotImplementedError

    @classmethod
    def identity(cls, like: Tensor) -> Tensor:
        """The unrotated pose one metre before the camera, (dim,)."""
        raise NotImplementedError

    @classmethod
    def offset_jacobian(cls, pose: Tensor, offset: Tensor) -> Tensor:
        """Derivative of ``R offset`` by the rotation, (B, dim), (B, 3) -> (B, 3, dof - 3)."""
        rotated = cls.rotate(pose, offset.t()[:, None])  # (3, 1, B)
        columns = []
        for motion in cls.rotation_motions(rotated):
            depth = torch.zeros_like(rotated[2]) if motion.depth is None else motion.depth
            columns.append(torch.cat((motion.lateral, depth[None]))[:, 0].t())
        return torch.stack(columns, dim=-1)


class Pose4DoF(PoseParametrization):
    """``[x, y, z, yaw]``: yaw about +y, in radians."""

    dof = 4
    dim = 4

    @staticmethod
    def rotation_entries(pose: Tensor) -> tuple[Tensor, ...]:
        """``[[c, 0, s], [0, 1, 0], [-s, 0, c]]``, (..., 4) -> 9 x (...)."""
        yaw = pose[..., 3]
        cos, sin = torch.cos(yaw), torch.sin(yaw)
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        return (cos, zero, sin, zero, one, zero, -sin, zero, cos)

    @staticmethod
    def rotate(pose: Tensor, points: Tensor) -> Tensor:
        """``(c x + s z, y, c z - s x)``, (B, 4), (3, N, B) -> (3, N, B)."""
        x, y, z = points.unbind(0)
        cos, sin = torch.cos(pose[:, 3]), torch.sin(pose[:, 3])
        return torch.stack(
            (torch.addcmul(cos * x, sin, z), y, torch.addcmul(cos * z, sin, x, value=-1))
        )

    @staticmethod
    def rotation_motions(rotated: Tensor) -> tuple[Motion, ...]:
        """By yaw: along ``(z, 0, -x)``."""
        x, y, z = rotated.unbind(0)
        return (Motion(torch.stack((z, torch.zeros_like(y))), -x),)

    @staticmethod
    def retract(pose: Tensor, step: Tensor) -> Tensor:
        """Adds the step, (..., 4); yaw is not wrapped."""
        return pose + step

    @staticmethod
    def random_rotation(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Uniform yaw in [-pi, pi), (*shape, 1)."""
        unit = torch.rand(*shape, 1, dtype=like.dtype, device=like.device, generator=generator)
        return (unit - 0.5) * (2 * math.pi)

    @staticmethod
    def canonical(pose: Tensor) -> Tensor:
        """Wraps yaw to [-pi, pi]."""
        return torch.cat((pose[..., :3], wrap_angle(pose[..., 3:])), dim=-1)

    @classmethod
    def identity(cls, like: Tensor) -> Tensor:
        """The unrotated pose one metre before the camera, (4,)."""
        return like.new_tensor((0.0, 0.0, 1.0, 0.0))


class Pose6DoF(PoseParametrization):
    """``[x, y, z, qw, qx, qy, qz]``: unit quaternion, scalar first.

    A tangent vector ``d`` moves the quaternion by ``T(q) d = -(0, d) q`` (Hamilton product), a
    rotation by ``-2 d`` about the camera axes to first order.
    """

    dof = 6
    dim = 7

    @staticmethod
    def rotation_entries(pose: Tensor) -> tuple[Tensor, ...]:
        """Rotation matrix of a unit quaternion, (..., 7) -> 9 x (...)."""
        w, i, j, k = pose[..., 3:].unbind(-1)
        return (
            1 - 2 * (j * j + k * k),
            2 * (i * j - k * w),
            2 * (i * k + j * w),
            2 * (i * j + k * w),
            1 - 2 * (i * i + k * k),
            2 * (j * k - i * w),
            2 * (i * k - j * w),
            2 * (j * k + i * w),
            1 - 2 * (i * i + j * j),
        )

    @classmethod
    def rotate(cls, pose: Tensor, points: Tensor) -> Tensor:
        """``R x``, (B, 7), (3, N, B) -> (3, N, B)."""
        entries = cls.rotation_entries(pose)
        x, y, z = points.unbind(0)
        rows = (entries[:3], entries[3:6], entries[6:])
        return torch.stack([torch.addcmul(a * x, b, y).addcmul(c, z) for a, b, c in rows])

    @staticmethod
    def rotation_motions(rotated: Tensor) -> tuple[Motion, ...]:
        """By the tangent vector ``d``: along ``2 (R x) x d``."""
        x, y, z = (2 * rotated).unbind(0)
        zero = torch.zeros_like(x)
        return (
            Motion(torch.stack((zero, z)), -y),
            Motion(torch.stack((-z, zero)), x),
            Motion(torch.stack((y, -x)), None),
        )

    @staticmethod
    def tangent_map(quaternion: Tensor) -> Tensor:
        """``T(q)``, (..., 4) -> (..., 4, 3); columns are orthonormal, orthogonal to ``q``."""
        w, i, j, k = quaternion.unbind(-1)
        rows = ((i, j, k), (-w, -k, j), (k, -w, -i), (-j, i, -w))
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)

    @staticmethod
    def retract(pose: Tensor, step: Tensor) -> Tensor:
        """``t + dt`` and ``normalise(q + T(q) d)``, (..., 7), (..., 6) -> (..., 7)."""
        moved = (Pose6DoF.tangent_map(pose[..., 3:]) * step[..., None, 3:]).sum(-1)
        quaternion = normalize_quaternion(pose[..., 3:] + moved)
        return torch.cat((pose[..., :3] + step[..., :3], quaternion), dim=-1)

    @staticmethod
    def random_rotation(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Uniform unit quaternions, (*shape, 4)."""
        draw = torch.randn(*shape, 4, dtype=like.dtype, device=like.device, generator=generator)
        return normalize_quaternion(draw)

    @staticmethod
    def canonical(pose: Tensor) -> Tensor:
        """Normalises the quaternion."""
        return torch.cat((pose[..., :3], normalize_quaternion(pose[..., 3:])), dim=-1)

    @classmethod
    def identity(cls, like: Tensor) -> Tensor:
        """The unrotated pose one metre before the camera, (7,)."""
        return like.new_tensor((0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0))


Parametrization = type[PoseParametrization]


def wrap_angle(angle: Tensor) -> Tensor:
    """Wraps radians to [-pi, pi]; the gradient is one."""
    return angle - 2 * math.pi * torch.round(angle.detach() / (2 * math.pi))


def normalize_quaternion(quaternion: Tensor, eps: float = 1e-6) -> Tensor:
    """Unit quaternions, (..., 4); the identity where the norm is below ``eps``."""
    square = (quaternion * quaternion).sum(-1, keepdim=True)
    good = square > eps * eps
    unit = quaternion * torch.rsqrt(torch.where(good, square, torch.ones_like(square)))
    identity = quaternion.new_tensor((1.0, 0.0, 0.0, 0.0))
    return torch.where(good, unit, identity)


def parametrization_of(pose: Tensor) -> Parametrization:
    """The parametrisation that stores poses of this length.

    Raises:
        ValueError: If the last axis is neither 4 nor 7 long.
    """
    for candidate in (Pose4DoF, Pose6DoF):
        if pose.size(-1) == candidate.dim:
            return candidate
    raise ValueError(
        f'a pose is [x, y, z, yaw] or [x, y, z, qw, qx, qy, qz], got shape {tuple(pose.shape)}'
    )

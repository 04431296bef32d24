"""Pose parametrisations: yaw only (4DoF) and unit quaternion (6DoF), docs/method.md 0 and 1.2.

Everything that differs between the two lives in these classes; solvers and samplers take the class
as an argument, so the degrees of freedom cannot disagree between them. A pose maps object
coordinates to camera coordinates: ``p = R(pose) x + t(pose)``.

``[R | t]`` is affine in a few monomials of the pose (``x, y, z, cos, sin`` or ``x, y, z`` and the
products of the quaternion), and so are its derivatives along the tangent coordinates, because
turning a pose about a camera axis multiplies ``R`` by a constant matrix. One matrix product with a
constant table gives them all.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from .constants import constant
from .noise import normal_like, uniform_like

Table = tuple[tuple[float, ...], ...]
"""Coefficients of ``[R | t]`` and its derivatives: one row an entry, one column a monomial."""


class PoseParametrization:
    """What a solver needs to know of a pose; the classes below are used, never instantiated.

    Attributes:
        dof: Degrees of freedom of the tangent space, translation first.
        dim: Numbers that store a pose.
        table: Coefficients of ``[R | t]`` and its ``dof`` derivatives by the monomials and one,
            (3 * (1 + dof) * 4, monomials + 1).
        matrix_table: Those of ``[R | t]`` alone, (12, monomials + 1).
    """

    dof: int
    dim: int
    table: Table
    matrix_table: Table

    @staticmethod
    def monomials(pose: Tensor) -> Tensor:
        """What ``[R | t]`` is affine in, (..., dim) -> (..., monomials)."""
        raise NotImplementedError

    @classmethod
    def motion_table(cls, like: Tensor) -> Tensor:
        """`table` as a tensor; solvers make it once."""
        return constant(cls.table, like)

    @classmethod
    def motions(cls, pose: Tensor, table: Tensor) -> Tensor:
        """``[R | t]`` and its derivatives along the tangent coordinates.

        Args:
            pose: (..., dim).
            table: See `motion_table`.

        Returns:
            (..., 3, 1 + dof, 4): row of the matrix, which derivative, column.
        """
        entries = functional.linear(cls.monomials(pose), table[:, :-1], table[:, -1])
        return entries.reshape(*pose.shape[:-1], 3, 1 + cls.dof, 4)

    @classmethod
    def matrices(cls, pose: Tensor) -> Tensor:
        """``[R | t]``, (..., dim) -> (..., 3, 4)."""
        table = constant(cls.matrix_table, pose)
        entries = functional.linear(cls.monomials(pose), table[:, :-1], table[:, -1])
        return entries.reshape(*pose.shape[:-1], 3, 4)

    @classmethod
    def rotation(cls, pose: Tensor) -> Tensor:
        """Rotation matrices, (..., dim) -> (..., 3, 3)."""
        return cls.matrices(pose)[..., :3]

    @staticmethod
    def retract(pose: Tensor, step: Tensor) -> Tensor:
        """Moves poses along tangent vectors, (..., dim), (..., dof) -> (..., dim)."""
        raise NotImplementedError

    @staticmethod
    def rotation_noise(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Random numbers for `rotation_of_noise`, (*shape, dim - 3)."""
        raise NotImplementedError

    @staticmethod
    def rotation_of_noise(noise: Tensor) -> Tensor:
        """Uniformly distributed rotation parameters, (..., dim - 3)."""
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
        turns = cls.motions(pose, cls.motion_table(pose))[:, :, 4:, :3]
        return (turns @ offset[:, None, :, None])[..., 0]


class Pose4DoF(PoseParametrization):
    """``[x, y, z, yaw]``: yaw about +y, in radians."""

    dof = 4
    dim = 4

    @staticmethod
    def monomials(pose: Tensor) -> Tensor:
        """``x, y, z, cos(yaw), sin(yaw)``, (..., 4) -> (..., 5)."""
        yaw = pose[..., 3:]
        return torch.cat((pose[..., :3], torch.cos(yaw), torch.sin(yaw)), dim=-1)

    @staticmethod
    def retract(pose: Tensor, step: Tensor) -> Tensor:
        """Adds the step, (..., 4); yaw is not wrapped."""
        return pose + step

    @staticmethod
    def rotation_noise(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Uniform in [0, 1), (*shape, 1)."""
        return uniform_like(like, (*shape, 1), generator)

    @staticmethod
    def rotation_of_noise(noise: Tensor) -> Tensor:
        """Uniform yaw in [-pi, pi), (..., 1)."""
        return (noise - 0.5) * (2 * math.pi)

    @staticmethod
    def canonical(pose: Tensor) -> Tensor:
        """Wraps yaw to [-pi, pi]."""
        return torch.cat((pose[..., :3], wrap_angle(pose[..., 3:])), dim=-1)

    @classmethod
    def identity(cls, like: Tensor) -> Tensor:
        """The unrotated pose one metre before the camera, (4,)."""
        return constant((0.0, 0.0, 1.0, 0.0), like)


class Pose6DoF(PoseParametrization):
    """``[x, y, z, qw, qx, qy, qz]``: unit quaternion, scalar first.

    A tangent vector ``d`` moves the quaternion by ``T(q) d = -(0, d) q`` (Hamilton product), a
    rotation by ``-2 d`` about the camera axes to first order.
    """

    dof = 6
    dim = 7

    @staticmethod
    def monomials(pose: Tensor) -> Tensor:
        """``x, y, z`` and the sixteen products of the quaternion, (..., 7) -> (..., 19)."""
        quaternion = pose[..., 3:]
        products = (quaternion[..., None] * quaternion[..., None, :]).flatten(-2)
        return torch.cat((pose[..., :3], products), dim=-1)

    @staticmethod
    def tangent_map(quaternion: Tensor) -> Tensor:
        """``T(q)``, (..., 4) -> (..., 4, 3); columns are orthonormal, orthogonal to ``q``."""
        table = constant(_TANGENT, quaternion)  # (4, 12)
        return (quaternion @ table).reshape(*quaternion.shape[:-1], 4, 3)

    @staticmethod
    def retract(pose: Tensor, step: Tensor) -> Tensor:
        """``t + dt`` and ``normalise(q + T(q) d)``, (..., 7), (..., 6) -> (..., 7)."""
        moved = (Pose6DoF.tangent_map(pose[..., 3:]) @ step[..., 3:, None])[..., 0]
        quaternion = normalize_quaternion(pose[..., 3:] + moved)
        return torch.cat((pose[..., :3] + step[..., :3], quaternion), dim=-1)

    @staticmethod
    def rotation_noise(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Standard normal, (*shape, 4)."""
        return normal_like(like, (*shape, 4), generator)

    @staticmethod
    def rotation_of_noise(noise: Tensor) -> Tensor:
        """Uniform unit quaternions, (..., 4)."""
        return normalize_quaternion(noise)

    @staticmethod
    def canonical(pose: Tensor) -> Tensor:
        """Normalises the quaternion."""
        return torch.cat((pose[..., :3], normalize_quaternion(pose[..., 3:])), dim=-1)

    @classmethod
    def identity(cls, like: Tensor) -> Tensor:
        """The unrotated pose one metre before the camera, (7,)."""
        return constant((0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0), like)


Parametrization = type[PoseParametrization]


def _table(rotation: list[list[list[float]]], axes: list[tuple[float, float, float]]) -> Table:
    """Coefficients of ``[R | t]`` and of its derivatives.

    Args:
        rotation: Of ``R``, (3, 3, monomials + 1); the first three monomials are the position.
        axes: Camera axes about which the rotational tangent coordinates turn, times their speed.
    """
    count = len(rotation[0][0])
    zero = [0.0] * count

    def turned(axis: tuple[float, float, float], row: int, column: int) -> list[float]:
        """``(axis x R)[row, column]``."""
        one, two = (row + 1) % 3, (row + 2) % 3
        pairs = zip(rotation[two][column], rotation[one][column])
        return [axis[one] * first - axis[two] * second for first, second in pairs]

    entries = []
    for row in range(3):
        entries += [*rotation[row], _unit(row, count)]
        for moved in range(3):  # the derivatives by the position are constant
            entries += [zero, zero, zero, _unit(-1, count) if row == moved else zero]
        for axis in axes:
            entries += [*(turned(axis, row, column) for column in range(3)), zero]
    return tuple(tuple(entry) for entry in entries)


def _first_matrix(table: Table, dof: int) -> Table:
    """Rows of ``[R | t]`` among those of it and its derivatives."""
    width = 4 * (1 + dof)
    return tuple(row for first in range(0, 3 * width, width) for row in table[first : first + 4])


def _unit(index: int, count: int) -> list[float]:
    """One at ``index``, zero elsewhere; -1 is the constant."""
    return [float(index % count == other) for other in range(count)]


def _yaw_table() -> Table:
    """``R = [[c, 0, s], [0, 1, 0], [-s, 0, c]]``; yaw turns about +y."""
    cos, sin, one, zero = _unit(3, 6), _unit(4, 6), _unit(-1, 6), [0.0] * 6
    negative = [-number for number in sin]
    return _table([[cos, zero, sin], [zero, one, zero], [negative, zero, cos]], [(0.0, 1.0, 0.0)])


def _quaternion_table() -> Table:
    """``R(q)`` of a unit quaternion; the tangent vector turns by -2 about the camera axes."""

    def products(constant: float, **factors: float) -> list[float]:
        row = [0.0] * 20
        row[-1] = constant
        for name, factor in factors.items():
            first, second = ('wijk'.index(letter) for letter in name)
            row[3 + 4 * first + second] = factor
        return row

    rotation = [
        [products(1.0, jj=-2, kk=-2), products(0.0, ij=2, kw=-2), products(0.0, ik=2, jw=2)],
        [products(0.0, ij=2, kw=2), products(1.0, ii=-2, kk=-2), products(0.0, jk=2, iw=-2)],
        [products(0.0, ik=2, jw=-2), products(0.0, jk=2, iw=2), products(1.0, ii=-2, jj=-2)],
    ]
    return _table(rotation, [(-2.0, 0.0, 0.0), (0.0, -2.0, 0.0), (0.0, 0.0, -2.0)])


Pose4DoF.table = _yaw_table()
Pose6DoF.table = _quaternion_table()
for _pose_type in (Pose4DoF, Pose6DoF):
    _pose_type.matrix_table = _first_matrix(_pose_type.table, _pose_type.dof)
_ROWS = ('+i+j+k', '-w-k+j', '+k-w-i', '-j+i-w')
"""The rows of ``T(q)`` for ``q = (w, i, j, k)``."""
_TANGENT = tuple(
    tuple(
        (1.0 if row[2 * column] == '+' else -1.0) * (row[2 * column + 1] == letter)
        for row in _ROWS
        for column in range(3)
    )
    for letter in 'wijk'
)


def wrap_angle(angle: Tensor) -> Tensor:
    """Wraps radians to [-pi, pi]; the gradient is one."""
    turns = torch.round(angle.detach() / (2 * math.pi))
    return torch.sub(angle, turns, alpha=2 * math.pi)


def normalize_quaternion(quaternion: Tensor, eps: float = 1e-6) -> Tensor:
    """Unit quaternions, (..., 4); the identity where the norm is below ``eps``."""
    square = (quaternion * quaternion).sum(-1, keepdim=True)
    good = square > eps * eps
    unit = quaternion * torch.rsqrt(square.clamp(min=eps * eps))
    identity = constant((1.0, 0.0, 0.0, 0.0), quaternion)
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

"""Pose proposals of the importance sampler: how they start and are refitted (docs/method.md 1.8).

The position follows a Student-t distribution, the orientation a von Mises-uniform mixture (4DoF) or
an angular central Gaussian (6DoF). Both are deliberately broader than the estimate they are made
from.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import constant
from .distributions import (
    AngularCentralGaussian,
    StudentT,
    VonMisesUniform,
    num_draws,
)
from .noise import normal_like, uniform_like
from .pose import Parametrization, Pose4DoF, Pose6DoF
from .reference.linear_algebra import cholesky_or, eye_like, inverse_spd

BROADENING = 0.33
"""Factor on the von Mises concentration."""
DISPERSION = 1e-3
"""Isotropic part of the angular central Gaussian, relative to its geometric mean."""
ACG_STEPS = 3
"""Fixed-point steps of the angular central Gaussian's maximum likelihood fit."""


class RoundNoise(NamedTuple):
    """Random numbers of one round, or of all rounds with one more axis in front.

    Attributes:
        normal: Standard normal: six for the position, in 6DoF four for the orientation,
            (B, n, 6 or 10).
        uniform: In [0, 1), for the yaw, (B, `num_draws`); none in 6DoF.
    """

    normal: Tensor
    uniform: Tensor


def draw_noise(
    pose_type: Parametrization,
    like: Tensor,
    shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> RoundNoise:
    """Random numbers for ``shape = (rounds, B, n)`` poses."""
    rounds, num_objects, num = shape
    per_pose, per_round = (6, num_draws(num)) if pose_type is Pose4DoF else (10, 0)
    return RoundNoise(
        normal_like(like, (*shape, per_pose), generator),
        uniform_like(like, (rounds, num_objects, per_round), generator),
    )


class Proposal(NamedTuple):
    """Independent position and orientation distributions of ``B`` objects."""

    position: StudentT
    orientation: VonMisesUniform | AngularCentralGaussian

    def transform(self, noise: RoundNoise) -> Tensor:
        """Poses from random numbers, (B, n, dim)."""
        position = self.position.transform(noise.normal[..., :6])
        if isinstance(self.orientation, AngularCentralGaussian):
            orientation = self.orientation.transform(noise.normal[..., 6:])
        else:
            orientation = self.orientation.transform(noise.uniform, position.size(1))
        return torch.cat((position, orientation), dim=-1)

    def log_prob(self, pose: Tensor) -> Tensor:
        """Log-density of poses (..., n, dim), (..., n)."""
        position = self.position.log_prob(pose[..., :3])
        return position + self.orientation.log_prob(pose[..., 3:])

    @staticmethod
    def stack(proposals: list[Proposal]) -> Proposal:
        """Several proposals of the same objects as one, of parameters (B, T, ...)."""
        parts = []
        for distributions in zip(*proposals):
            tensors = [_stack(fields) for fields in zip(*(d[:2] for d in distributions))]
            parts.append(type(distributions[0])(*tensors))
        return Proposal(*parts)


def _stack(fields: tuple[Tensor, ...]) -> Tensor:
    """(B, ...) each -> (B, T, ...); one is not copied."""
    return torch.stack(fields, dim=1) if len(fields) > 1 else fields[0][:, None]


def initial_proposal(
    pose_type: Parametrization, pose: Tensor, covariance: Tensor, eps: float = 1e-5
) -> Proposal:
    """Laplace-like proposal around a solution.

    Args:
        pose_type: Parametrisation of ``pose``.
        pose: (B, dim).
        covariance: (B, dof, dof).
        eps: Smallest yaw variance.
    """
    position = _student_t(pose_type, pose[:, :3], covariance[:, :3, :3])
    if pose_type is Pose4DoF:
        concentration = BROADENING / covariance[:, 3, 3].clamp(min=eps)
        return Proposal(position, VonMisesUniform(pose[:, 3], concentration))
    tangent = Pose6DoF.tangent_map(pose[:, 3:])  # (B, 4, 3)
    information = tangent @ inverse_spd(covariance[:, 3:, 3:]) @ tangent.transpose(1, 2)
    scatter = inverse_spd(information + eye_like(information, 4))
    trace = scatter.diagonal(dim1=1, dim2=2).sum(-1)
    return Proposal(position, _angular(scatter / trace[:, None, None]))


def refit_proposal(
    pose_type: Parametrization, samples: Tensor, weights: Tensor, eps: float = 1e-5
) -> Proposal:
    """Proposal that matches the moments of weighted samples.

    Args:
        pose_type: Parametrisation of ``samples``.
        samples: (B, n, dim).
        weights: Normalised weights, (B, n).
        eps: Floor of the resultant length and of the spread.
    """
    values = Pose4DoF.monomials(samples) if pose_type is Pose4DoF else samples[..., :3]
    mean = (weights[:, None] @ values)[:, 0]  # of x, y, z, in 4DoF of the cosine and sine as well
    centered = samples[..., :3] - mean[:, None, :3]
    covariance = (centered * weights[..., None]).transpose(1, 2) @ centered
    position = _student_t(pose_type, mean[:, :3], covariance)
    if pose_type is Pose4DoF:
        length = torch.linalg.vector_norm(mean[:, 3:], dim=1)
        square = length.square()
        spread = (1 - square).clamp(min=eps)
        concentration = BROADENING * length.clamp(min=eps) * (2 - square) / spread
        mode = torch.atan2(mean[:, 4], mean[:, 3])
        return Proposal(position, VonMisesUniform(mode, concentration))
    return Proposal(position, _angular(_acg_scatter(samples[..., 3:], weights, eps)))


def _acg_scatter(quaternions: Tensor, weights: Tensor, eps: float) -> Tensor:
    """Maximum likelihood scatter of an angular central Gaussian, (B, 4, 4), unit trace."""
    identity = eye_like(weights, 4)
    scatter = identity.expand(weights.size(0), 4, 4)
    for _ in range(ACG_STEPS):
        mahalanobis = ((quaternions @ inverse_spd(scatter)) * quaternions).sum(-1)
        share = weights / mahalanobis.clamp(min=eps)
        share = share / share.sum(-1, keepdim=True)
        moment = (quaternions * share[..., None]).transpose(1, 2) @ quaternions
        scatter = moment + eps * identity
    return scatter


def _student_t(pose_type: Parametrization, loc: Tensor, covariance: Tensor) -> StudentT:
    far = 4.0 if pose_type is Pose4DoF else 1.0
    fallback = constant(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, far)), loc)
    return StudentT(loc, cholesky_or(covariance, fallback))


def _angular(scatter: Tensor) -> AngularCentralGaussian:
    geometric_mean = torch.linalg.det(scatter).clamp(min=0).pow(0.25)
    identity = eye_like(scatter, 4)
    dispersed = scatter + DISPERSION * geometric_mean[:, None, None] * identity
    return AngularCentralGaussian(cholesky_or(dispersed, identity))

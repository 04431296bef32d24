"""Proposal distributions of the importance sampler (docs/method.md 1.8).

Batched over objects, object axis first: ``sample`` returns (B, n, event) and ``log_prob`` takes it.
Everything is drawn on the device of the parameters, from the generator that is passed in.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .linear_algebra import invert_lower_triangular
from .pose import normalize_quaternion

LOG_2PI = math.log(2 * math.pi)


class StudentT(NamedTuple):
    """Trivariate Student-t with three degrees of freedom.

    Attributes:
        loc: (B, 3).
        scale_tril: Lower triangular factor of the scale matrix, (B, 3, 3).
    """

    loc: Tensor
    scale_tril: Tensor

    def sample(self, num: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (B, num, 3)."""
        normal = torch.randn(
            self.loc.size(0),
            num,
            6,
            dtype=self.loc.dtype,
            device=self.loc.device,
            generator=generator,
        )
        # three squared normals make the chi-square of three degrees of freedom
        chi_square = normal[..., 3:].square().sum(-1, keepdim=True).clamp(min=1e-20)
        direction = normal[..., :3] * torch.rsqrt(chi_square / 3)
        return self.loc[:, None] + direction @ self.scale_tril.transpose(1, 2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density at ``value`` (B, n, 3), (B, n)."""
        inverse = invert_lower_triangular(self.scale_tril)
        white = (value - self.loc[:, None]) @ inverse.transpose(1, 2)
        log_det = self.scale_tril.diagonal(dim1=1, dim2=2).log().sum(-1)
        constant = math.lgamma(3.0) - math.lgamma(1.5) - 1.5 * math.log(3 * math.pi)
        return constant - log_det[:, None] - 3 * torch.log1p(white.square().sum(-1) / 3)


class VonMisesUniform(NamedTuple):
    """Mixture of a von Mises and a uniform distribution on the circle.

    Attributes:
        loc: Mode in radians, (B,).
        concentration: (B,).
        uniform_mix: Share of the uniform component.
    """

    loc: Tensor
    concentration: Tensor
    uniform_mix: float = 0.25

    def sample(self, num: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (B, num, 1); exactly ``round(uniform_mix * num)`` of them uniformly."""
        num_uniform = round(self.uniform_mix * num)
        unit = torch.rand(
            self.loc.size(0),
            num_uniform,
            dtype=self.loc.dtype,
            device=self.loc.device,
            generator=generator,
        )
        uniform = (unit - 0.5) * (2 * math.pi)
        deviation = sample_von_mises(self.concentration, num - num_uniform, generator)
        return torch.cat((uniform, self.loc[:, None] + deviation), dim=1)[..., None]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density at ``value`` (B, n, 1), (B, n)."""
        half_sine = torch.sin(0.5 * (value[..., 0] - self.loc[:, None]))
        concentration = self.concentration[:, None]
        # kappa (cos - 1) and the scaled Bessel function stay finite for large kappa
        von_mises = (
            -2 * concentration * half_sine.square()
            - LOG_2PI
            - torch.log(torch.special.i0e(concentration))
        )
        uniform = torch.full_like(von_mises, math.log(self.uniform_mix) - LOG_2PI)
        return torch.logaddexp(von_mises + math.log1p(-self.uniform_mix), uniform)


def sample_von_mises(
    concentration: Tensor,
    num: int,
    generator: torch.Generator | None = None,
    num_rounds: int = 16,
) -> Tensor:
    """Von Mises deviations from the mode, by rejection from a wrapped Cauchy.

    After Best and Fisher (1979). All rounds are drawn at once, so the device is never asked whether
    it is done; each accepts with probability above 0.65, hence all 16 refuse with probability below
    1e-7, and then a wrapped Cauchy draw is returned. Written in half angles, which keeps float32
    exact for large concentrations.

    Args:
        concentration: (B,).
        num: Draws per object.
        generator: Source of randomness.
        num_rounds: Candidates per draw.

    Returns:
        Radians in [-pi, pi], (B, num).
    """
    kappa = concentration.clamp(min=1e-6)[:, None, None]
    root = torch.sqrt(1 + 4 * kappa * kappa)
    tau = 1 + root
    rho = 2 * kappa / (tau.sqrt() * (tau.sqrt() + math.sqrt(2)))
    # 1 - rho without cancellation where rho is near one
    excess = torch.sqrt(2 * tau) - 1 - 1 / (root + 2 * kappa)
    one_minus_rho = torch.where(kappa > 1, excess / (2 * kappa), 1 - rho)
    draws = torch.rand(
        2,
        concentration.size(0),
        num,
        num_rounds,
        dtype=concentration.dtype,
        device=concentration.device,
        generator=generator,
    )
    half_tan = torch.tan(math.pi * (draws[0] - 0.5)) * (one_minus_rho / (1 + rho))
    versine = 2 * half_tan.square() / (1 + half_tan.square())  # 1 - cos
    c = kappa * (one_minus_rho.square() / (2 * rho) + versine)
    tiny = torch.finfo(draws.dtype).tiny
    accept = torch.log(c / draws[1].clamp(min=tiny)) + 1 - c >= 0
    first = accept.to(torch.uint8).argmax(-1, keepdim=True)
    return 2 * torch.atan(half_tan.gather(-1, first)[..., 0])


class AngularCentralGaussian(NamedTuple):
    """Angular central Gaussian on the unit quaternions: a zero-mean 4D Gaussian, normalised.

    Attributes:
        scale_tril: Lower triangular factor of the Gaussian's covariance, (B, 4, 4).
    """

    scale_tril: Tensor

    def sample(self, num: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws unit quaternions, (B, num, 4)."""
        normal = torch.randn(
            self.scale_tril.size(0),
            num,
            4,
            dtype=self.scale_tril.dtype,
            device=self.scale_tril.device,
            generator=generator,
        )
        return normalize_quaternion(normal @ self.scale_tril.transpose(1, 2))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density on the 3-sphere at ``value`` (B, n, 4), (B, n)."""
        white = value @ invert_lower_triangular(self.scale_tril).transpose(1, 2)
        log_det = self.scale_tril.diagonal(dim1=1, dim2=2).log().sum(-1)
        return -log_det[:, None] - 2 * white.square().sum(-1).log() - math.log(2 * math.pi**2)

"""Proposal distributions of the importance sampler (docs/method.md 1.8).

Batched: parameters have leading axes (..., ), ``log_prob`` takes values (..., n, event). What is
random is drawn beforehand (`PosteriorNoise`), on the device of the parameters and from the
caller's generator; ``transform`` makes samples of it and is a function like any other. ``sample``
does both.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .constants import constant
from .noise import normal_like, uniform_like
from .pose import normalize_quaternion

LOG_2PI = math.log(2 * math.pi)
UNIFORM_MIX = 0.25
"""Share of the uniform component of `VonMisesUniform`."""


class StudentT(NamedTuple):
    """Trivariate Student-t with three degrees of freedom.

    Attributes:
        loc: (..., 3).
        scale_tril: Lower triangular factor of the scale matrix, (..., 3, 3).
    """

    loc: Tensor
    scale_tril: Tensor

    def transform(self, normal: Tensor) -> Tensor:
        """Samples from standard normal numbers, (B, n, 6) -> (B, n, 3)."""
        # three squared normals make the chi-square of three degrees of freedom
        chi = torch.linalg.vector_norm(normal[..., 3:], dim=-1, keepdim=True).clamp(min=1e-10)
        factor, stretch = self.scale_tril.transpose(1, 2), math.sqrt(3)
        return torch.baddbmm(self.loc[:, None], normal[..., :3] / chi, factor, alpha=stretch)

    def sample(self, num: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (B, num, 3)."""
        return self.transform(normal_like(self.loc, (self.loc.size(0), num, 6), generator))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density at ``value`` (..., n, 3), (..., n)."""
        shift = (value - self.loc[..., None, :]).transpose(-1, -2)
        white = torch.linalg.solve_triangular(self.scale_tril, shift, upper=False)
        log_det = self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        peak = math.lgamma(3.0) - math.lgamma(1.5) - 1.5 * math.log(3 * math.pi)
        tail = torch.log1p(white.square().sum(-2) / 3)
        return torch.sub((peak - log_det)[..., None], tail, alpha=3)


class VonMisesUniform(NamedTuple):
    """Mixture of a von Mises and a uniform distribution on the circle.

    Attributes:
        loc: Mode in radians, (...).
        concentration: (...).
        uniform_mix: Share of the uniform component.
    """

    loc: Tensor
    concentration: Tensor
    uniform_mix: float = UNIFORM_MIX

    def transform(self, uniform: Tensor, num: int) -> Tensor:
        """Samples from numbers in [0, 1): exactly ``round(uniform_mix * num)`` are uniform.

        Args:
            uniform: (B, `num_draws`).
            num: Samples per object.

        Returns:
            (B, num, 1).
        """
        num_uniform = round(self.uniform_mix * num)
        anywhere = (uniform[:, :num_uniform] - 0.5) * (2 * math.pi)
        candidates = uniform[:, num_uniform:].unflatten(1, (2, -1))  # (B, 2, C)
        deviation = von_mises(self.concentration, candidates, num - num_uniform)
        return torch.cat((anywhere, self.loc[:, None] + deviation), dim=1)[..., None]

    def num_draws(self, num: int) -> int:
        """How many uniform numbers ``num`` samples of an object take."""
        return num_draws(num, self.uniform_mix)

    def sample(self, num: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (B, num, 1)."""
        shape = (self.loc.size(0), self.num_draws(num))
        return self.transform(uniform_like(self.loc, shape, generator), num)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density at ``value`` (..., n, 1), (..., n)."""
        half_sine = torch.sin(0.5 * (value[..., 0] - self.loc[..., None]))
        # kappa (cos - 1) and the scaled Bessel function stay finite for large kappa
        log_bessel = torch.log(torch.special.i0e(self.concentration))
        peak = (math.log1p(-self.uniform_mix) - LOG_2PI) - log_bessel
        concentration = self.concentration[..., None]
        von_mises = torch.addcmul(peak[..., None], concentration, half_sine.square(), value=-2)
        return torch.logaddexp(von_mises, constant(math.log(self.uniform_mix) - LOG_2PI, value))


def num_draws(num: int, uniform_mix: float = UNIFORM_MIX) -> int:
    """How many uniform numbers ``num`` samples of a `VonMisesUniform` take."""
    num_uniform = round(uniform_mix * num)
    return num_uniform + 2 * num_candidates(num - num_uniform)


def num_candidates(num: int) -> int:
    """Candidates for ``num`` von Mises draws: each is accepted with probability above 0.65."""
    return 2 * num + 16


def von_mises(concentration: Tensor, candidates: Tensor, num: int) -> Tensor:
    """Von Mises deviations from the mode, by rejection from a wrapped Cauchy.

    After Best and Fisher (1979). All candidates are there at once, so the device is never asked
    whether it is done; the first ``num`` accepted ones are taken, and refused ones after them: with
    probability below 1e-5 there are too few, and then a wrapped Cauchy draw stands in. Written in
    half angles, which keeps float32 exact for large concentrations.

    Args:
        concentration: (B,).
        candidates: Uniform numbers for the draw and its acceptance, (B, 2, C), C at least ``num``.
        num: Draws per object.

    Returns:
        Radians in [-pi, pi], (B, num).
    """
    twice = concentration.clamp(min=1e-6)[:, None] * 2
    root = torch.sqrt(twice.square() + 1)
    # kappa (r - 1) of the paper's r = (1 + root) / (2 kappa), without its cancellation
    least = (1 / (root + twice) + 1) / 2
    half_tan = torch.tan((candidates[:, 0] - 0.5) * math.pi) * (least / (least + twice)).sqrt()
    half = torch.atan(half_tan)
    c = torch.addcmul(least, twice, half.sin().square())
    refuse = c - torch.log(c / candidates[:, 1].clamp(min=torch.finfo(c.dtype).tiny)) > 1
    order = refuse.to(torch.uint8).sort(dim=1, stable=True).indices[:, :num]
    return half.gather(1, order) * 2


class AngularCentralGaussian(NamedTuple):
    """Angular central Gaussian on the unit quaternions: a zero-mean 4D Gaussian, normalised.

    Attributes:
        scale_tril: Lower triangular factor of the Gaussian's covariance, (..., 4, 4).
    """

    scale_tril: Tensor

    def transform(self, normal: Tensor) -> Tensor:
        """Unit quaternions from standard normal numbers, (B, n, 4) -> (B, n, 4)."""
        return normalize_quaternion(normal @ self.scale_tril.transpose(1, 2))

    def sample(self, num: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (B, num, 4)."""
        shape = (self.scale_tril.size(0), num, 4)
        return self.transform(normal_like(self.scale_tril, shape, generator))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density on the 3-sphere at ``value`` (..., n, 4), (..., n)."""
        vectors = value.transpose(-1, -2).expand(*self.scale_tril.shape[:-1], -1)
        white = torch.linalg.solve_triangular(self.scale_tril, vectors, upper=False)
        log_det = self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -log_det[..., None] - 2 * white.square().sum(-2).log() - math.log(2 * math.pi**2)

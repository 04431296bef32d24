"""Adaptive Huber cost of the weighted reprojection error (docs/method.md 1.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class AdaptiveHuberCost(nn.Module):
    """Huber kernel whose threshold adapts to the spread of the points and to the weights.

    Per object, ``delta = relative_delta * mean(w2d) * sqrt(var(u_x) + var(u_y))`` with the unbiased
    variance over points. The cost of a pose is ``sum_i huber(||w2d_i * (projection_i - x2d_i)||)``
    with ``huber(s) = s^2 / 2`` up to ``delta`` and ``delta * s - delta^2 / 2`` beyond; the pose
    posterior is proportional to ``exp(-cost)``.

    Args:
        relative_delta: 0.5 in the detector, 0.1 in the published 6DoF network.
        detach_x2d: Whether ``x2d`` gets no gradient through delta (v1 and the notebook; v2 and the
            published 6DoF network let it through).
        learnable: Whether the logarithm of ``relative_delta`` is a parameter.
    """

    def __init__(
        self, relative_delta: float = 0.5, detach_x2d: bool = False, learnable: bool = False
    ) -> None:
        super().__init__()
        if not relative_delta > 0:
            raise ValueError(f'relative_delta must be positive, got {relative_delta}')
        self.detach_x2d = detach_x2d
        log_relative = torch.tensor(math.log(relative_delta))
        if learnable:
            self.log_relative_delta = nn.Parameter(log_relative)
        self._relative_delta = None if learnable else float(relative_delta)

    @property
    def relative_delta(self) -> float | None:
        """The factor where it is a constant."""
        return self._relative_delta

    def extra_repr(self) -> str:
        """Shows the options in ``print(module)``."""
        return f'relative_delta={self._relative_delta}, detach_x2d={self.detach_x2d}'

    def forward(self, x2d: Tensor, w2d: Tensor, mask: Tensor | None = None) -> Tensor:
        """Huber thresholds.

        Args:
            x2d: Pixels, (..., N, 2).
            w2d: Weights, (..., N, 2).
            mask: Which points there are, bool (..., N); None for all. The means and the variance
                leave padding out, whatever it holds.

        Returns:
            In units of the weighted residual, (...).
        """
        if self.detach_x2d:
            x2d = x2d.detach()
        relative: Tensor | float
        if self._relative_delta is None:
            relative = self.log_relative_delta.exp().to(x2d)
        else:
            relative = self._relative_delta
        if mask is None:
            if torch.jit.is_tracing() or x2d.size(-2) > 1:  # a traced graph takes any number
                variance = x2d.var(-2).sum(-1)
            else:
                variance = torch.zeros_like(x2d[..., 0, 0])  # a single point has none
            mean_weight = w2d.mean((-1, -2))
        else:
            there, zero = mask[..., None], x2d.new_zeros(())
            count = mask.sum(-1)
            x2d, w2d = (torch.where(there, tensor, zero) for tensor in (x2d, w2d))
            mean = x2d.sum(-2, keepdim=True) / count.clamp(min=1)[..., None, None]
            centered = torch.where(there, x2d - mean, zero)
            variance = (centered * centered).sum((-1, -2)) / (count - 1).clamp(min=1)
            mean_weight = w2d.sum((-1, -2)) / (2 * count).clamp(min=1)
        # the floor keeps the gradient of the root finite where all points coincide
        spread = torch.sqrt(variance.clamp(min=torch.finfo(x2d.dtype).tiny))
        return mean_weight * spread * relative


def huber(distance: Tensor, delta: Tensor) -> Tensor:
    """``s^2 / 2`` where ``s <= delta``, ``delta * s - delta^2 / 2`` beyond."""
    return split_huber(distance, torch.minimum(distance, delta))


def split_huber(distance: Tensor, inner: Tensor) -> Tensor:
    """`huber` of ``s`` where the smaller of ``s`` and ``delta`` is at hand."""
    return inner * torch.sub(distance, inner, alpha=0.5)

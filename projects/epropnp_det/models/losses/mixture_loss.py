"""Negative log-likelihood of robust mixtures, scaled to keep its weight as it sharpens."""

from __future__ import annotations

import math
from typing import Callable

import torch
from mmdet.core import reduce_mean
from mmdet3d.models.builder import LOSSES
from torch import Tensor, nn

__all__ = ['MixtureNLLLoss']

MAX_INV_STD = 1e4
"""Largest 1 / sigma; keeps the likelihood of a perfect fit finite."""
MIN_NORMALIZER = 1e-4


def log_components(
    error: Tensor, log_probs: Tensor, log_sigma: Tensor, huber_delta: float | None
) -> Tensor:
    """Log-likelihood of each component: ``log pi - huber(|e / sigma|) - sum log sigma``.

    ``huber(s)`` is ``s^2 / 2`` up to ``delta`` and ``delta s - delta^2 / 2`` beyond; the constant
    of the normal density is left out (docs/method.md 8.4, 8.5).

    Args:
        error: (..., M, D).
        log_probs: Log-probability of each component, (..., M).
        log_sigma: Log standard deviations, broadcasts to ``error``.
        huber_delta: In units of sigma; None for the normal density.

    Returns:
        (..., M).
    """
    square = (error / log_sigma.exp()).square().sum(-1)  # (..., M)
    if huber_delta is None:
        penalty = square / 2
    else:
        # The floor under the root is never seen, and keeps its gradient finite at zero.
        norm = square.clamp(min=huber_delta**2).sqrt()
        linear = huber_delta * norm - huber_delta**2 / 2
        penalty = torch.where(square <= huber_delta**2, square / 2, linear)
    return log_probs - penalty - log_sigma.expand_as(error).sum(-1)


@LOSSES.register_module()
class MixtureNLLLoss(nn.Module):
    """Adaptive negative log-likelihood of a mixture (docs/method.md 3.2, 8.4, 8.5).

    The loss of a mixture grows with ``1 / sigma`` as the network becomes certain, so it is divided
    by the running mean of ``1 / sigma``, weighted by the component probabilities, which is updated
    before it is used. Batches without an element leave it as it is (docs/differences.md W13).

    Args:
        huber_delta: Where the robust kernel turns linear, in units of sigma; None for none.
        init_sigma: Start of one learnable standard deviation that all components and channels
            share; None if the network predicts them.
        momentum: Share of the new value in the running mean.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: If ``huber_delta`` or ``init_sigma`` is not positive.
    """

    mean_inv_std: Tensor

    def __init__(
        self,
        huber_delta: float | None = None,
        init_sigma: float | None = None,
        momentum: float = 0.1,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if huber_delta is not None and not huber_delta > 0:
            raise ValueError(f'huber_delta must be positive or None, got {huber_delta}')
        if init_sigma is not None and not init_sigma > 0:
            raise ValueError(f'init_sigma must be positive or None, got {init_sigma}')
        self.huber_delta = huber_delta
        self.momentum = momentum
        self.loss_weight = loss_weight
        self.log_sigma = None
        if init_sigma is not None:
            self.log_sigma = nn.Parameter(torch.tensor([math.log(init_sigma)]))
        self.register_buffer('mean_inv_std', torch.tensor(1.0))

    def forward(
        self,
        error: Tensor,
        log_probs: Tensor,
        log_sigma: Tensor | None = None,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        combine: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Weighted mean over the elements; zero, with a graph, where there are none.

        Args:
            error: Difference of each component's mean to the target, (..., M, D).
            log_probs: Log-probability of each component, (..., M).
            log_sigma: Predicted log standard deviations, (..., M, D); None with ``init_sigma``.
            weight: Weight of each element, (...); None for one each.
            avg_factor: Divisor of the weighted sum; None for the sum of the weights, at least one.
            combine: Maps the log-likelihoods of the components, (..., M), to that of the element,
                (...); logsumexp if None. This is where mixtures may share components.

        Returns:
            Scalar loss.

        Raises:
            ValueError: If not exactly one of ``log_sigma`` and ``init_sigma`` is given.
        """
        if (log_sigma is None) == (self.log_sigma is None):
            raise ValueError('give either log_sigma, or init_sigma when the loss is built')
        log_sigma = self.log_sigma if log_sigma is None else log_sigma
        log_sigma = log_sigma.clamp(min=-math.log(MAX_INV_STD))
        if weight is None:
            weight = torch.ones_like(log_probs[..., 0])
        if avg_factor is None:
            avg_factor = weight.sum().clamp(min=1)
        if self.training:
            self._track(log_sigma, log_probs, weight, error.shape[-1])
        components = log_components(error, log_probs, log_sigma, self.huber_delta)
        likelihood = components.logsumexp(-1) if combine is None else combine(components)
        normalizer = self.mean_inv_std.clamp(min=MIN_NORMALIZER) * avg_factor
        return -self.loss_weight * (weight * likelihood).sum() / normalizer

    @torch.no_grad()
    def _track(self, log_sigma: Tensor, log_probs: Tensor, weight: Tensor, channels: int) -> None:
        """Moves the running mean towards that of this batch, averaged over ranks."""
        share = log_probs.exp() * weight[..., None]  # (..., M)
        inv_std = log_sigma.neg().exp().expand(*share.shape, channels).mean(-1)
        total, norm = reduce_mean(torch.stack([(share * inv_std).sum(), share.sum()]))
        updated = torch.lerp(self.mean_inv_std, (total / norm).to(self.mean_inv_std), self.momentum)
        # NaN where there is no element, or where the network has diverged: keep the old value.
        self.mean_inv_std.copy_(torch.where(updated.isfinite(), updated, self.mean_inv_std))

"""Monte Carlo pose loss (docs/method.md 1.9)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .backend import choose


class MonteCarloPoseLoss(nn.Module):
    """KL divergence of the predicted pose posterior from the true pose, up to a constant.

    Per object ``cost_target + logsumexp(log_weights)``. Negative values are normal: the entropy of
    the target is dropped. The sum is divided by a running mean of the predicted weight scale, so
    that its size does not depend on the scale that the network learns.

    Args:
        loss_weight: Factor of the loss.
        momentum: Of the running mean of the scale; 0.01 in the detector, 0.1 in the notebook.

    Attributes:
        norm_factor: Running mean of the scale, a buffer.
    """

    norm_factor: Tensor

    def __init__(self, loss_weight: float = 1.0, momentum: float = 0.01) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.momentum = momentum
        self.register_buffer('norm_factor', torch.tensor(1.0))

    def extra_repr(self) -> str:
        """Shows the options in ``print(module)``."""
        return f'loss_weight={self.loss_weight}, momentum={self.momentum}'

    def forward(
        self,
        log_weights: Tensor,
        cost_target: Tensor,
        scale_mean: Tensor | float,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor:
        """Computes the loss.

        Objects with a number that is not finite count as zero and get no gradient.

        Args:
            log_weights: Of the Monte Carlo samples, (S, ...).
            cost_target: Robust cost at the true pose, (...).
            scale_mean: Mean predicted weight scale of this batch, a scalar; ignored in evaluation,
                when there is no object, and when it is not finite and positive.
            weight: Object weights, (...); one where None.
            avg_factor: Divisor of the sum over objects; their number (at least one) where None.

        Returns:
            Scalar.
        """
        if log_weights.shape[1:] != cost_target.shape:
            raise ValueError(
                f'log_weights {tuple(log_weights.shape)} must be (S, *{tuple(cost_target.shape)})'
            )
        if self.training:
            self._update(scale_mean, cost_target.numel() > 0)
        by_object = log_weights.reshape(log_weights.size(0), cost_target.numel()).t()
        divergence = choose(cost_target).divergence(by_object, cost_target.reshape(-1))
        divergence = divergence.reshape(cost_target.shape)
        if weight is not None:
            divergence = divergence * weight
        if avg_factor is None:
            avg_factor = max(cost_target.numel(), 1)
        return divergence.sum() * (self.loss_weight / avg_factor) / self.norm_factor

    @torch.no_grad()
    def _update(self, scale_mean: Tensor | float, has_objects: bool) -> None:
        """Moves the running mean; over processes, the mean of those that have objects."""
        reduces = torch.distributed.is_available() and torch.distributed.is_initialized()
        scale = scale_mean
        if not isinstance(scale, Tensor):
            if not reduces and not (has_objects and 0 < scale < math.inf):
                return
            # filling a tensor waits for no device, copying does
            scale = torch.full_like(self.norm_factor, scale)
            if not reduces:
                self.norm_factor.lerp_(scale, self.momentum)
                return
        scale = scale.detach().to(self.norm_factor)
        usable = (scale > 0) & (scale < math.inf)
        if not has_objects:
            usable = torch.zeros_like(usable)
        if reduces:
            pair = torch.stack((scale.masked_fill(~usable, 0.0), usable.to(scale)))
            torch.distributed.all_reduce(pair)
            total, count = pair.unbind()
            scale, usable = total / count, count > 0
        self.norm_factor.lerp_(torch.where(usable, scale, self.norm_factor), self.momentum)

"""What the Monte Carlo pose loss says of an object (docs/method.md 1.9)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def divergence(log_weights: Tensor, cost_target: Tensor) -> Tensor:
    """``cost_target + logsumexp(log_weights)``.

    Args:
        log_weights: (B, S).
        cost_target: (B,).

    Returns:
        (B,); zero, without gradient, where any number of an object is not finite.
    """
    rows = torch.cat((log_weights.detach(), cost_target.detach()[:, None]), dim=1)
    bad = ~(rows.abs().amax(1) < math.inf)  # NaN is bad, too
    posterior = log_weights.masked_fill(bad[:, None], 0.0).logsumexp(1)
    return (cost_target + posterior).masked_fill(bad, 0.0)

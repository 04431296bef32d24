"""The best of several candidates of every object."""

from __future__ import annotations

import math

from torch import Tensor


def cheapest(cost: Tensor) -> Tensor:
    """Number of the first of the cheapest, (B, T) -> (B,); what is not finite loses."""
    return cost.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf).argmin(1)


def take(candidates: Tensor, number: Tensor) -> Tensor:
    """One candidate of every object, (B, T, ...) and (B,) -> (B, ...)."""
    index = number.reshape(-1, *[1] * (candidates.dim() - 1))
    return candidates.gather(1, index.expand(-1, 1, *candidates.shape[2:]))[:, 0]

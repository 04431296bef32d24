"""Half precision ends where pixels and metres begin."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['at_least_float32', 'full_precision']


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in float64 where it is that already."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_precision(like: Tensor) -> torch.autocast:
    """A block without autocast on the tensor's device; its inputs must be cast by themselves."""
    return torch.autocast(like.device.type, enabled=False)

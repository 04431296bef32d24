"""Random numbers like a tensor, from the caller's generator."""

from __future__ import annotations

import torch
from torch import Tensor


def normal_like(
    like: Tensor, shape: tuple[int, ...], generator: torch.Generator | None = None
) -> Tensor:
    """Standard normal numbers of the type and on the device of ``like``."""
    if generator is None:  # a compiler takes no generator, not even None
        return torch.randn(shape, dtype=like.dtype, device=like.device)
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)


def uniform_like(
    like: Tensor, shape: tuple[int, ...], generator: torch.Generator | None = None
) -> Tensor:
    """Numbers in [0, 1) of the type and on the device of ``like``."""
    if generator is None:
        return torch.rand(shape, dtype=like.dtype, device=like.device)
    return torch.rand(shape, dtype=like.dtype, device=like.device, generator=generator)

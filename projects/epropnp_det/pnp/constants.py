"""Constant tensors beside others, without waiting for the device each time."""

from __future__ import annotations

from functools import cache
from typing import Union

import torch
from torch import Tensor

Numbers = Union[float, tuple[float, ...], tuple[tuple[float, ...], ...]]


def constant(numbers: Numbers, like: Tensor) -> Tensor:
    """Numbers of the type and on the device of ``like``; nobody may write to them.

    Copying them to a GPU waits for it, so that is done once.
    """
    if like.device.type != 'cuda' or type(like) is not Tensor or is_compiling():
        return like.new_tensor(numbers)
    return _kept(numbers, like.dtype, like.device)


@cache
def _kept(numbers: Numbers, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # or no other mode could use it
        return torch.tensor(numbers, dtype=dtype, device=device)


def is_compiling() -> bool:
    """Whether `torch.compile` or `torch.export` traces this call."""
    compiler = getattr(torch, 'compiler', None)
    return compiler is not None and getattr(compiler, 'is_compiling', bool)()

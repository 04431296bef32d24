"""How a kernel is launched: tiles that fit registers, and those that keep the interpreter busy."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor
from triton import language
from triton.runtime.jit import JITFunction

from .algebra import at_least

MOST_POINTS = 8192
"""Points, or samples, of an object that one program can hold at once."""
PER_THREAD = 4
"""Elements of a tile in the registers of a thread."""
WARPS = 4
"""At most, of a program."""


INTERPRETED = not isinstance(at_least, JITFunction)
"""Whether kernels run in Triton's interpreter, which was decided when they were imported."""


@triton.jit
def probe_kernel(target):  # type: ignore[no-untyped-def]  # Triton would evaluate annotations
    """Writes one number."""
    language.store(target, 1.0)


def check() -> None:
    """Raises whatever keeps the kernels from running: no GPU, no C compiler.

    Raises:
        ImportError: With the reason, where it is not Triton's own error.
    """
    if isinstance(language.sum, JITFunction) == INTERPRETED:
        raise ImportError('set TRITON_INTERPRET=1 before anything imports triton')
    if not INTERPRETED and not torch.cuda.is_available():
        raise ImportError('Triton needs a CUDA device; TRITON_INTERPRET=1 interprets its kernels')
    if not INTERPRETED:
        launch(probe_kernel, (1,), torch.empty(1, device='cuda'), warps=1)


def power(number: int) -> int:
    """The smallest power of two that is not below ``number``."""
    return 1 << max(number - 1, 0).bit_length()


def launch(
    kernel: Any, grid: tuple[int, ...], *arguments: Any, warps: int, **constants: Any
) -> None:
    """Launches ``kernel`` on the device of its first argument, if there is any work."""
    if 0 in grid:
        return
    if INTERPRETED:
        kernel[grid](*arguments, **constants)
        return
    if not arguments[0].is_cuda:
        raise ValueError(
            "Triton's kernels take CUDA tensors; unset EPROPNP_BACKEND, or set TRITON_INTERPRET=1"
        )
    with torch.cuda.device_of(arguments[0]):
        kernel[grid](*arguments, num_warps=warps, **constants)


def warps_of(*tile: int) -> int:
    """Warps whose threads have at most `PER_THREAD` elements each, as far as there are as many."""
    total = 1
    for size in tile:
        total *= size
    return max(1, min(WARPS, total // (32 * PER_THREAD)))


def rows_of(num_objects: int, per_row: int) -> int:
    """Objects of a program: one, but as many as numpy likes in the interpreter."""
    return min(power(num_objects), max(1, (1 << 16) // per_row)) if INTERPRETED else 1


def contiguous(*tensors: Tensor) -> list[Tensor]:
    """Tensors as kernels read them."""
    return [tensor.detach().contiguous() for tensor in tensors]


def flags(tensor: Tensor) -> Tensor:
    """Bools as kernels read and write them."""
    return tensor.contiguous().view(torch.uint8)

"""Where to compute: one switch for CPU and GPU (docs/differences.md W33)."""

from __future__ import annotations

import torch
from mmcv.parallel import MMDataParallel
from torch import nn


def select_device(name: str | None = None) -> str:
    """Resolves a ``--device`` argument.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, ...; None takes the GPU where there is one.

    Returns:
        A device string that this machine has.

    Raises:
        ValueError: If the name is no device, or asks for a GPU that is not there.
    """
    if name is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    kind, _, index = name.partition(':')
    if kind not in ('cpu', 'cuda') or (index and not index.isdigit()):
        raise ValueError(f"device must be 'cpu', 'cuda' or 'cuda:<index>', got {name!r}")
    if kind == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'{name} asked for, but torch sees no GPU here: pass --device cpu')
    if index and kind == 'cuda' and int(index) >= torch.cuda.device_count():
        raise ValueError(f'{name} asked for, but there are {torch.cuda.device_count()} GPUs')
    return name


class CpuDataParallel(MMDataParallel):
    """Unpacks mmcv's data containers and stays on the CPU even where a GPU is visible.

    The stock class takes the GPU whenever torch sees one, whatever device was asked for.

    Args:
        module: The model, on the CPU.
        dim: Batch dimension.
        device_ids: Ignored; there for the signature of the stock class.
    """

    def __init__(self, module: nn.Module, dim: int = 0, device_ids: object = None) -> None:
        nn.Module.__init__(self)
        self.module = module
        self.dim = dim
        self.device_ids: list[int] = []

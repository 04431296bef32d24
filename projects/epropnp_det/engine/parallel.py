"""mmcv's data-parallel models, on one GPU or in several processes, for any torch.

mmcv 1.7.0 copies a batch to a GPU in a stream that it asks torch for by the number of the GPU;
torch 2.1 and newer want the device there, and mmcv's DistributedDataParallel reads an attribute
that they no longer have. So the classes here unpack the batch by themselves, on every torch.
"""

from __future__ import annotations

from typing import Any

import torch
from mmcv.parallel import DataContainer, MMDataParallel, MMDistributedDataParallel
from torch import Tensor

__all__ = ['DistributedDataParallel', 'GpuDataParallel', 'to_device']


def to_device(batch: Any, device: torch.device | str) -> Any:
    """Unpacks a collated batch and puts its tensors on one device.

    Args:
        batch: Tensors, mmcv's data containers and anything else, nested in tuples, lists and dicts.
        device: Where they go.

    Returns:
        The same with the first chunk of each container in its place; the content of those for the
        CPU only stays where it is.
    """
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, DataContainer):
        return batch.data[0] if batch.cpu_only else to_device(batch.data[0], device)
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(item, device) for item in batch)
    if isinstance(batch, dict):
        return type(batch)((key, to_device(value, device)) for key, value in batch.items())
    return batch


class _Unpacking:
    """Hands a whole batch to the one device of this process, with the signatures of mmcv."""

    def scatter(self, inputs: tuple, kwargs: dict, device_ids: list) -> tuple[tuple, tuple]:
        """Returns positional and named arguments for the device; ``[-1]`` means the CPU."""
        if len(device_ids) != 1:
            raise ValueError(
                f'one process computes on one GPU, not on {len(device_ids)}: start one process for '
                'each (--launcher pytorch)'
            )
        device = torch.device('cpu') if device_ids == [-1] else _gpu(device_ids[0])
        return (to_device(inputs, device),), (to_device(kwargs, device),)


class GpuDataParallel(_Unpacking, MMDataParallel):
    """A model on one GPU that unpacks mmcv's data containers."""


class DistributedDataParallel(_Unpacking, MMDistributedDataParallel):
    """A model in one of several processes that train or test together, on GPUs or on CPUs."""

    def train_step(self, *inputs: Any, **kwargs: Any) -> Any:
        """As mmcv's, which unpacks for GPUs only."""
        moved, named = self.to_kwargs(inputs, kwargs, self._own_device())
        return super().train_step(*moved[0], **named[0])

    def val_step(self, *inputs: Any, **kwargs: Any) -> Any:
        """As mmcv's, which unpacks for GPUs only."""
        moved, named = self.to_kwargs(inputs, kwargs, self._own_device())
        return super().val_step(*moved[0], **named[0])

    def to_kwargs(self, inputs: tuple, kwargs: dict, device_id: int) -> tuple[tuple, tuple]:
        """As :meth:`scatter`."""
        return self.scatter(inputs, kwargs, [device_id])

    def _run_ddp_forward(self, *inputs: Any, **kwargs: Any) -> Any:
        moved, named = self.to_kwargs(inputs, kwargs, self._own_device())
        return self.module(*moved[0], **named[0])

    def _own_device(self) -> int:
        return self.device_ids[0] if self.device_ids else -1


def _gpu(device: int | torch.device) -> torch.device:
    return device if isinstance(device, torch.device) else torch.device('cuda', device)

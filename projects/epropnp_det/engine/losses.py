"""Loss values on their way to the log: over all processes, and to the CPU, in one transfer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, distributed


class LossLog(OrderedDict):
    """Values by name, fetched from the device when they are first read.

    mmdet's detectors wait for the device once per loss, and once more per loss in distributed
    training. Here one all-reduce averages all values and one transfer fetches them; who can wait
    until the backward pass is under way, waits for nothing.

    Args:
        values: Scalars without gradient by name.

    Attributes:
        names: Names of the values.
        local: Values of this process, a tensor on the device.
        mean: Means over the processes, likewise.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.names = list(values)
        self.local = torch.stack([value.detach().float() for value in values.values()])
        self.mean = self.local
        if distributed.is_available() and distributed.is_initialized():
            self.mean = self.local / distributed.get_world_size()
            distributed.all_reduce(self.mean)

    def fetch(self, *more: Tensor) -> list[float]:
        """Fetches the means, and other scalars of the device with them.

        Args:
            *more: Scalars.

        Returns:
            The other scalars as numbers.
        """
        extra = [value.detach().to(self.mean).reshape(1) for value in more]
        numbers = torch.cat([self.mean, *extra]).tolist()
        self.update(zip(self.names, numbers))
        return numbers[len(self.names) :]

    def _fetched(self) -> LossLog:
        if not len(self):
            self.fetch()
        return self

    def items(self) -> Any:
        """Names and means over the processes."""
        self._fetched()
        return super().items()

    def __getitem__(self, name: str) -> float:
        """The mean of one value over the processes."""
        if not super().__contains__(name):
            self._fetched()
        return super().__getitem__(name)

    def bad_names(self) -> list[str]:
        """Names of the values of this process that are not finite."""
        finite = self.local.isfinite().tolist()
        return [name for name, fine in zip(self.names, finite) if not fine]


def parse_losses(losses: Mapping[str, Tensor | list[Tensor]]) -> tuple[Tensor, LossLog]:
    """Adds the losses up and prepares all values for the log, as mmdet's ``_parse_losses``.

    Args:
        losses: Values by name, tensors or lists of tensors; those with ``loss`` in their name
            count. All processes must have the same names.

    Returns:
        The sum, and the log with the sum under ``loss``.

    Raises:
        TypeError: If a value is neither a tensor nor a list of tensors.
    """
    values = {}
    for name, value in losses.items():
        if isinstance(value, Tensor):
            values[name] = value.mean()
        elif isinstance(value, list):
            values[name] = sum(part.mean() for part in value)
        else:
            raise TypeError(f'{name} is a {type(value).__name__}, not a tensor or a list of them')
    total = sum(_losses(values))
    return total, LossLog({**values, 'loss': total})


def _losses(values: Mapping[str, Tensor]) -> Iterator[Tensor]:
    return (value for name, value in values.items() if 'loss' in name)

"""Counts what a GPU would be asked to do: kernels, and waits of the host for the device.

Works without a GPU, because both follow from the operations alone: on a GPU every operation of
torch that is no view launches about one kernel.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

VIEWS = {'aten::_unsafe_view', 'aten::detach', 'aten::_reshape_alias', 'aten::lift_fresh'}
WAITS = {
    'aten::_linalg_check_errors',
    'aten::_local_scalar_dense',
    'aten::nonzero',
    'aten::masked_select',
    'aten::_unique2',
    'aten::equal',
}


class Counts(NamedTuple):
    """What a call takes."""

    kernels: int
    waits: int


class KernelCounter(TorchDispatchMode):
    """Counts the operations that are dispatched in its context, backward passes included."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter = Counter()
        self.waits = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Counts an operation and runs it."""
        returns = func._schema.returns
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        name = func.name().split('.')[0]
        if not view and name not in VIEWS:
            self.operations[name] += 1
        self.waits += name in WAITS or _has_mask(name, args)
        return func(*args, **(kwargs or {}))

    @property
    def counts(self) -> Counts:
        """Of everything so far."""
        return Counts(sum(self.operations.values()), self.waits)


def count(function: Callable[[], Any]) -> Counts:
    """Counts of one call."""
    with KernelCounter() as counter:
        function()
    return counter.counts


def _has_mask(name: str, args: tuple) -> bool:
    """Whether tensors are indexed by a boolean one, which asks the device for the number."""
    if name not in ('aten::index', 'aten::index_put_', 'aten::index_put'):
        return False
    return any(isinstance(i, Tensor) and i.dtype == torch.bool for i in args[1])

"""Batches on their way from a loader process to the one that trains.

torch gives each tensor that leaves a process a file of shared memory, and a batch of mmdet3d has
eight small ones per image, which the other side opens and maps one by one. So a batch travels as
one block: pickle (protocol 5) leaves the contents of arrays out, which lie one after the other in a
single tensor; the other side looks into it and copies nothing.
"""

from __future__ import annotations

import io
import itertools
import pickle
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

__all__ = ['Parcel', 'ParcelLoader', 'pack', 'packed', 'unpack']

ALIGNMENT = 64
"""Bytes; what vector instructions like best."""


class Parcel(NamedTuple):
    """A batch without its arrays, and the arrays.

    Attributes:
        content: The pickled batch.
        sizes: Bytes of each array.
        block: The arrays, each from a multiple of ``ALIGNMENT`` on, uint8 (n,).
    """

    content: bytes
    sizes: list[int]
    block: Tensor


class _Pickler(pickle.Pickler):
    """Takes tensors for the arrays that they are."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor or value.requires_grad or value.layout != torch.strided:
            return NotImplemented
        if value.device.type != 'cpu' or value.dtype == torch.bfloat16 or value.is_conj():
            return NotImplemented  # NumPy has none of these
        return torch.from_numpy, (np.ascontiguousarray(value.numpy()).reshape(value.shape),)


def pack(batch: Any) -> Parcel:
    """Makes a parcel of anything that pickle takes."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(batch)
    arrays = [np.frombuffer(buffer.raw(), dtype=np.uint8) for buffer in buffers]
    sizes = [array.size for array in arrays]
    *starts, end = _starts(sizes)
    block = torch.empty(end, dtype=torch.uint8)
    for start, array in zip(starts, arrays):
        block.numpy()[start : start + array.size] = array
    return Parcel(file.getvalue(), sizes, block)


def unpack(parcel: Parcel) -> Any:
    """The batch; its arrays and tensors look into the block, and may be written to."""
    memory = memoryview(parcel.block.numpy())
    starts = _starts(parcel.sizes)
    views = [memory[start : start + size] for start, size in zip(starts, parcel.sizes)]
    return pickle.loads(parcel.content, buffers=views)


def packed(collate: Callable[[list], Any], items: list) -> Parcel:
    """Collates items, in a loader process, and packs the batch."""
    return pack(collate(items))


class ParcelLoader(DataLoader):
    """A loader whose processes send parcels: its ``collate_fn`` must be :func:`packed`."""

    def __iter__(self) -> Iterator[Any]:
        """Batches, unpacked."""
        return map(unpack, super().__iter__())


def _starts(sizes: list[int]) -> list[int]:
    """Where each array begins, and the end of all."""
    rounded = (-(-size // ALIGNMENT) * ALIGNMENT for size in sizes)
    return list(itertools.accumulate(rounded, initial=0))

"""Records of an annotation file in one buffer, for data sets of hundreds of thousands of images."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


class PackedRecords(Sequence):
    """A sequence of plain values, each of which is unpacked anew whenever it is read.

    A list of dicts takes several times the memory, and once more in every loader process, since
    Python's reference counts write into the shared pages. Nor can a caller change what is stored.

    Args:
        records: What ``pickle`` can write; consumed one at a time.
    """

    def __init__(self, records: Iterable[Any]) -> None:
        buffer, ends = bytearray(), [0]
        for record in records:
            buffer += pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL)
            ends.append(len(buffer))
        self._buffer = np.frombuffer(bytes(buffer), dtype=np.uint8)
        self._ends = np.array(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(f'{index} is not one of {len(self)} records')
        return pickle.loads(memoryview(self._buffer[self._ends[row] : self._ends[row + 1]]))

    def __add__(self, other: Iterable[Any]) -> PackedRecords:
        """Both, one after the other, as ``mmdet``'s ``ConcatDataset`` wants it."""
        return PackedRecords([*self, *other])

    def __radd__(self, other: Iterable[Any]) -> PackedRecords:
        return PackedRecords([*other, *self])

    @property
    def nbytes(self) -> int:
        """Size of the buffers."""
        return self._buffer.nbytes + self._ends.nbytes

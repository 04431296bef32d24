"""Batches whose content depends on the seed and on their number alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler

from .parcels import ParcelLoader, packed
from .randomness import ITEM, ORDER, fold, isolated


class Draw(NamedTuple):
    """One item that a batch asks for.

    Attributes:
        index: In the data set.
        seed: Of all that is random in making the item.
    """

    index: int
    seed: int


class SeededDataset(Dataset):
    """A data set whose items are made of :class:`Draw`, alike in whichever process.

    Args:
        dataset: Any data set.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, draw: Draw) -> Any:
        """Makes an item; the random sources are afterwards as they were before."""
        with isolated(draw.seed):
            return self.dataset[draw.index]


class BatchSampler(Sampler):
    """The batches of one process; those of all processes together do not depend on their number.

    Like mmdet's samplers it puts only images of one ``flag`` (portrait, landscape) into a batch
    and fills the last batch of each flag up with images of that flag.

    Args:
        flags: Of each item, (n,).
        batch_size: Items per process.
        rank: Of this process.
        world_size: Number of processes.
        seed: Of the run.
        shuffle: Whether the order is random, another one in each epoch.
        endless: Whether batches go on in the next epoch instead of ending.

    Raises:
        ValueError: If there is no item.
    """

    def __init__(
        self,
        flags: Sequence[int],
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
        shuffle: bool = True,
        endless: bool = False,
    ) -> None:
        if len(flags) == 0:
            raise ValueError('the training data set is empty')
        self.flags = np.asarray(flags)
        self.batch_size = batch_size
        self.rank, self.world_size = rank, world_size
        self.seed = seed
        self.shuffle = shuffle
        self.endless = endless
        self.epoch = 0
        self.first = 0

    @property
    def sampler(self) -> BatchSampler:
        """Itself: mmcv's ``DistSamplerSeedHook`` looks here for ``set_epoch``."""
        return self

    @property
    def total(self) -> int:
        """Items per batch of all processes together."""
        return self.batch_size * self.world_size

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        _, counts = np.unique(self.flags, return_counts=True)
        return int(sum(-(-count // self.total) for count in counts))

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration is about."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[Draw]]:
        """Batches from number ``first`` on."""
        length, epoch, number, order = len(self), self.epoch, self.first, None
        while self.endless or number < length:
            if order is None or number >= length:
                epoch, number = epoch + number // length, number % length
                order = self._order(epoch)
            start = number * self.total + self.rank * self.batch_size
            places = range(start, start + self.batch_size)
            yield [Draw(int(order[place]), fold(self.seed, ITEM, epoch, place)) for place in places]
            number += 1

    def _order(self, epoch: int) -> np.ndarray:
        """Indices of all batches of an epoch, one batch after the other."""
        rng = np.random.default_rng(fold(self.seed, ORDER, epoch))
        batches = []
        for flag in np.unique(self.flags):
            members = np.flatnonzero(self.flags == flag)
            if self.shuffle:
                members = rng.permutation(members)
            filled = np.resize(members, -(-len(members) // self.total) * self.total)
            batches.append(filled.reshape(-1, self.total))
        rows = np.concatenate(batches)
        # one flag is in random order already, which then is the same for batches of any size
        return (rng.permutation(rows) if self.shuffle and len(batches) > 1 else rows).ravel()


def exact_loader(
    loader: DataLoader, seed: int, rank: int = 0, world_size: int = 1, endless: bool = False
) -> DataLoader:
    """A loader of the same data whose batches depend on the seed and their number alone.

    Args:
        loader: As ``build_dataloader`` of mmdet makes it; its workers and options are kept.
        seed: Of the run.
        rank: Of this process.
        world_size: Number of processes.
        endless: Whether batches never end.

    Raises:
        ValueError: If the loader has a sampler that chooses items by class, which would be lost.
    """
    if type(loader.sampler).__name__ == 'ClassAwareSampler':
        raise ValueError(
            'class_aware_sampler cannot be resumed; wrap the data set in CBGSMono3DDataset instead'
        )
    dataset = loader.dataset
    sampler = BatchSampler(
        getattr(dataset, 'flag', np.zeros(len(dataset), dtype=np.uint8)),
        loader.batch_sampler.batch_size,
        rank,
        world_size,
        seed,
        shuffle=not isinstance(loader.sampler, SequentialSampler) or _is_infinite(loader),
        endless=endless,
    )
    kind, collate, workers = DataLoader, loader.collate_fn, {}
    if loader.num_workers > 0:
        kind, collate = ParcelLoader, partial(packed, loader.collate_fn)
        workers = {
            'persistent_workers': loader.persistent_workers,
            'prefetch_factor': loader.prefetch_factor,
            'multiprocessing_context': loader.multiprocessing_context,
        }
    return kind(
        SeededDataset(dataset),
        batch_sampler=sampler,
        num_workers=loader.num_workers,
        collate_fn=collate,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        generator=torch.Generator(),  # or each epoch would take a number from the global one
        **workers,
    )


def _is_infinite(loader: DataLoader) -> bool:
    """Whether the order is that of mmdet's endless batch samplers, which shuffle by themselves."""
    return bool(getattr(loader.batch_sampler, 'shuffle', False))

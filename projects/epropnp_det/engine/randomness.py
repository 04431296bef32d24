"""Randomness that is a function of the seed and of the place in training, not of the past.

Every iteration, and every item that the loader makes, draws from a stream of its own, named by the
seed and by what it is. A run that goes on from a checkpoint therefore draws exactly what the
uninterrupted run would have drawn, with any number of loader processes, and the state of all random
sources that a checkpoint has to carry is the seed and the position.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch

# Pipelines of mmdet draw from NumPy's global state, so that is what must be seeded.
# ruff: noqa: NPY002

ORDER, ITEM, STEP = range(3)
"""What streams are for: the order of an epoch, the making of an item, a training step."""


def fold(seed: int, *place: int) -> int:
    """Names a stream.

    Args:
        seed: Of the run.
        *place: What the stream is for, for instance epoch and position.

    Returns:
        A seed in [0, 2^63), unrelated to that of any other place.
    """
    digest = hashlib.blake2b(repr((int(seed), *map(int, place))).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), 'little') >> 1


def seed_everything(seed: int) -> None:
    """Seeds Python's, NumPy's and torch's generators, those of GPUs too."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextlib.contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seeds the generators of the CPU for a block and puts their states back afterwards."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # unlike torch.manual_seed not that of GPUs
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])

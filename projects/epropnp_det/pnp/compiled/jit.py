"""How the loops are compiled, and where the result is kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import numba

config: Any = numba.config
OPTIONS: dict[str, Any] = {
    'nogil': True,
    'error_model': 'numpy',
    # sums may be reordered, which SIMD over points needs; NaN and infinity keep their meaning
    'fastmath': {'reassoc', 'contract', 'arcp', 'nsz'},
}


def compiled(function: Callable) -> Callable:
    """Compiles at the first call, and keeps the result on disk where there is a place for it."""
    try:
        with _cache_folder():
            return numba.njit(cache=True, **OPTIONS)(function)
    except (RuntimeError, OSError):  # no folder may be written to: every process compiles anew
        return numba.njit(**OPTIONS)(function)


def inlined(function: Callable) -> Callable:
    """Compiles for use inside a loop, which SIMD needs to see as a whole."""
    return numba.njit(forceinline=True, **OPTIONS)(function)


def cache_folder() -> Path:
    """``NUMBA_CACHE_DIR``, or the user's cache: an installed package may be read-only.

    Numba notices when the file of a function changes, not when one does that it calls into. Hence
    a folder for every state of this one.
    """
    state = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob('*.py')):
        state.update(path.read_bytes())
    caches = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    root = os.environ.get('NUMBA_CACHE_DIR') or Path(caches) / 'epropnp_det'
    return Path(root) / f'pnp-{state.hexdigest()[:16]}'


@contextlib.contextmanager
def _cache_folder() -> Iterator[None]:
    """Points Numba to `cache_folder` while a function is set up."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(FOLDER)
    try:
        yield
    finally:
        config.CACHE_DIR = before


FOLDER = cache_folder()


@compiled
def fill_row(target, value):
    """``target[:] = value``: a loop takes Numba a fraction of the time to compile."""
    for index in range(len(target)):
        target[index] = value

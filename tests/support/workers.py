"""Several processes run the suite at once: how many, and what they may not share."""

import os
import shutil
from pathlib import Path

WORKER_BYTES = 2 << 30
"""For one process of the suite with its children."""


def worker_count(processors: int, memory: int) -> int:
    """One for each processor, but no more than fit into the memory (bytes)."""
    return max(1, min(processors, memory // WORKER_BYTES))


def own_numba_cache(folder: Path) -> None:
    """Numba keeps what this process and its children compile in a folder of their own.

    It numbers the files of a function one after the other: processes that share a folder and
    compile at the same time may take the same number, and load each other's code. What the set-up
    compiled is taken over.
    """
    caches = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    for compiled in (caches / 'epropnp_det').glob('pnp-*'):
        if not (folder / compiled.name).exists():
            shutil.copytree(compiled, folder / compiled.name)
    os.environ['NUMBA_CACHE_DIR'] = str(folder)

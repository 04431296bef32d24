"""Make `.venv`: a working Python, the pinned packages, mmcv-full compiled here, this package.

`make setup` calls it. It needs the standard library only; any Python from 3.7 on can run it, and
it looks for the one that the environment is made of by itself.

Environment variables: `PYTHON` (the interpreter to use), `STACK` (`classic` or `modern`: the set of
versions; by default the one that suits the Python found, see `stacks.py`), `CXX`, `CFLAGS`,
`MAX_JOBS` (parallel compilers), `FORCE_CUDA` (1: compile mmcv's CUDA operators, 0: do not), and all
of pip's own (`PIP_INDEX_URL`, `PIP_EXTRA_INDEX_URL`, `PIP_FIND_LINKS`, ...).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from environment import Environment
from stacks import SetupError

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Make the environment; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        Environment(ROOT, dict(os.environ)).make()
    except SetupError as error:
        print(f'\nSet-up stopped.\n{error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nInterrupted. `make setup` goes on from here.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())

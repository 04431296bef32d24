"""Progress bars that are kind to logs: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30


class _WholeLines:
    """A text file without the bare line end that tqdm closes a bar with."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, text: str) -> None:
        if text.strip():
            self.file.write(text)

    def flush(self) -> None:
        self.file.flush()


class ProgressLines(tqdm):
    """tqdm that writes whole lines, far apart, where nobody watches: into files and pipes."""

    @staticmethod
    def status_printer(file: TextIO) -> Any:
        """What writes one status; each stays, so that it ends its line."""

        def write(status: str) -> None:
            if status.strip():
                file.write(f'{status.strip()}\n')
                file.flush()

        return write


def progress(
    iterable: Iterable | None = None,
    total: int | None = None,
    title: str = '',
    unit: str = 'image',
    file: TextIO | None = None,
    show: bool = True,
) -> tqdm:
    """A bar with elapsed time and estimate.

    Args:
        iterable: What to go through; None for a bar that ``update(n)`` moves.
        total: Number of units; None takes that of the iterable.
        title: In front of the bar.
        unit: Name of what is counted.
        file: Where it goes; None takes standard error.
        show: False makes a bar that shows nothing.
    """
    file = file or sys.stderr
    options = {'total': total, 'desc': title or None, 'unit': unit, 'file': file}
    if file.isatty():
        return tqdm(iterable, disable=not show, **options)
    lines = {'mininterval': SECONDS_BETWEEN_LINES, 'miniters': 1, 'maxinterval': 0, 'ncols': 80}
    options['file'] = _WholeLines(file)
    return ProgressLines(iterable, disable=not show, **lines, **options)

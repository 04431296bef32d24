"""Files that are either complete or absent."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def check_writable(folder: Path) -> None:
    """Makes the folder of an output and writes into it, before the work starts.

    Args:
        folder: The folder; missing parents are made.

    Raises:
        OSError: If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f'cannot write into {folder} ({reason}); choose another with --out') from None


@contextlib.contextmanager
def replacing(path: Path, mode: str = 'w') -> Iterator[IO]:
    """A temporary file beside ``path`` that takes its place if the block succeeds."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(descriptor, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name without the content
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

"""Writing files that are either complete or absent."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any


def write_json(path: str | Path, content: Any, allow_nan: bool = True) -> Path:
    """Writes json to a temporary file beside ``path`` and then moves it there in one step.

    Args:
        path: Target; missing folders are made.
        content: What ``json`` can write.
        allow_nan: Whether NaN and infinities may be written, as nuScenes' unknown velocities are.

    Returns:
        The target.

    Raises:
        ValueError: If there is a NaN although ``allow_nan`` is False. Nothing is written then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, allow_nan=allow_nan)
    with _replacing(path) as file:
        file.write(text)
    return path


def write_json_stream(path: str | Path, pieces: Iterable[str]) -> Path:
    """As ``write_json``, for text that comes piece by piece and is too large to be held at once."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as file:
        for piece in pieces:
            file.write(piece)
    return path


@contextlib.contextmanager
def _replacing(path: Path, mode: str = 'w') -> Iterator[IO]:
    """A temporary file beside ``path`` that takes its place if the block succeeds."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(descriptor, mode) as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

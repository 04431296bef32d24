"""Writing files that are either complete or absent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..atomic import replacing


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
    with replacing(path) as file:
        file.write(text)
    return path


def write_json_stream(path: str | Path, pieces: Iterable[str]) -> Path:
    """As ``write_json``, for text that comes piece by piece and is too large to be held at once."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        for piece in pieces:
            file.write(piece)
    return path

"""Writing files that are either complete or absent."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


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
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(descriptor, 'w') as file:
            file.write(json.dumps(content, allow_nan=allow_nan))
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path

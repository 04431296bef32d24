"""Trained weights that ship with the package; ``init_detector()`` loads them by default."""

from __future__ import annotations

from pathlib import Path

__all__ = ['default_weights']


def default_weights() -> Path:
    """The checkpoint of the small detector, trained on synthetic nuScenes (docs/results.md).

    Raises:
        FileNotFoundError: If this installation has none.
    """
    folder = Path(__file__).resolve().parent
    found = sorted(folder.glob('*.pth'))
    if not found:
        raise FileNotFoundError(
            f'no weights in {folder}; pass a checkpoint of your own, or install from the repository'
        )
    return found[0]

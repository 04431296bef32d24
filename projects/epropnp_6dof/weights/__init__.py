"""Trained weights that ship with the package (docs/6dof.md)."""

from __future__ import annotations

from pathlib import Path

__all__ = ['default_weights']


def default_weights() -> Path:
    """The small network for LineMOD's cat.

    Raises:
        FileNotFoundError: If this installation has none.
    """
    found = sorted(Path(__file__).resolve().parent.glob('*.pth'))
    if not found:
        raise FileNotFoundError('this installation has no 6DoF weights; pass a checkpoint')
    return found[0]

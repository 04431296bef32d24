"""Trained weights that ship with the package."""

from __future__ import annotations

from pathlib import Path

__all__ = ['default_weights', 'photograph_weights']


def default_weights() -> Path:
    """The small detector trained on synthetic nuScenes; ``init_detector()`` loads it.

    Raises:
        FileNotFoundError: If this installation has none.
    """
    return _shipped('epropnp_det_mobilenet_rich')


def photograph_weights() -> Path:
    """The same detector continued on photographs, for images of one's own.

    They are not for commercial use: README.md of this folder has the terms.

    Raises:
        FileNotFoundError: If this installation has none.
    """
    return _shipped('epropnp_det_mobilenet_photographs')


def _shipped(name: str) -> Path:
    folder = Path(__file__).resolve().parent
    found = sorted(folder.glob(f'{name}-*.pth'))
    if not found:
        raise FileNotFoundError(
            f'no {name} in {folder}; pass a checkpoint of your own, or install from the repository'
        )
    return found[0]

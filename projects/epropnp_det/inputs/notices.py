"""Warnings about what users hand in: each kind once, not once per image."""

from __future__ import annotations

import warnings

_said: set[object] = set()


class InputWarning(UserWarning):
    """Something in an input is unusual, and the message says what was made of it."""


def notice(kind: object, message: str) -> None:
    """Warns, unless this process has warned of the same kind before.

    Args:
        kind: What the warning is about, hashable; messages of one kind may name different files.
        message: One line.
    """
    if kind not in _said:
        _said.add(kind)
        warnings.warn(message, InputWarning, stacklevel=3)


def forget_notices() -> None:
    """Lets every kind be warned of again: for tests, and for one run after the other."""
    _said.clear()

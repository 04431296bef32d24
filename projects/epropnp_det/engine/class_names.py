"""Lists of class names that must be the same."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ['check_classes', 'listed']


def check_classes(
    first: Sequence[str] | None, second: Sequence[str] | None, whose: tuple[str, str], cure: str
) -> None:
    """Compares two lists of class names, of which one may be unknown.

    Args:
        first: Class names; None or empty where they are not known.
        second: The same of the other side.
        whose: What the two are of.
        cure: What to do where they differ.

    Raises:
        ValueError: If they differ in more than upper and lower case; names both.
    """
    if not first or not second:
        return
    folded = [[name.strip().casefold() for name in names] for names in (first, second)]
    if folded[0] != folded[1]:
        what = 'order' if sorted(folded[0]) == sorted(folded[1]) else 'classes'
        raise ValueError(
            f'{whose[0]} and {whose[1]} do not have the same {what}: {listed(first)} and '
            f'{listed(second)}; {cure}'
        )


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Names for messages."""
    more = f', ... ({len(names)})' if len(names) > limit else ''
    return ', '.join(map(str, names[:limit])) + more

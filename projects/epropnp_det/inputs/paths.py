"""File names of annotation files and calibrations, and the files that they mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar('Value')


def forward_slashes(name: str) -> str:
    r"""The name with ``/`` between its parts, also where a file made on Windows has ``\``."""
    return name.replace('\\', '/')


def join_path(prefix: str | Path | None, name: str) -> str:
    r"""Path of a file that an annotation file names, ``\`` read as ``/``."""
    name = forward_slashes(name)
    return str(Path(prefix) / name) if prefix else name


def drive_hint(name: str) -> str:
    """A sentence where a name is an absolute path of Windows, which no prefix can mend."""
    if re.match(r'[A-Za-z]:[\\/]', name):
        return '; it is an absolute path of Windows, write it relative to the image folder'
    return ''


def printable(path: object) -> str:
    """A path that any terminal, log or json can take: bytes that are no UTF-8 become escapes."""
    return str(path).encode('utf-8', 'backslashreplace').decode('utf-8')


def closest_match(
    name: str | Path,
    table: Mapping[str, Value],
    same: Callable[[Value, Value], bool] | None = None,
) -> Value:
    r"""Looks up a file in a table of paths by the longest common end of the two paths.

    ``/data/camA/0.jpg`` finds ``camA/0.jpg`` before ``0.jpg``, and never ``camB/0.jpg`` where the
    table knows a folder ``camA``. Parts may be separated by ``\``, and accents may be composed
    or not.

    Args:
        name: Path of the file.
        table: Values by path, or by the end of a path.
        same: Whether two values are alike, so that it does not matter which of them is taken.

    Raises:
        KeyError: If no path ends in the file's name, or several do, equally well, with different
            values.
    """
    parts = _parts(str(name))
    lengths = {key: _common_end(parts, _parts(key)) for key in table}
    best = max(lengths.values(), default=0)
    found = [key for key, length in lengths.items() if length == best] if best else []
    if best == 1 and len(parts) > 1:
        folders = {p[-2] for p in map(_parts, table) if len(p) > 1}
        if parts[-2] in folders:  # the table has this folder, but no such file in it
            found = [key for key in found if len(_parts(key)) == 1]
    if not found:
        raise KeyError(f'nothing for {printable(name)}; there are {_some(table)}')
    first = table[found[0]]
    if any(not (same(first, table[key]) if same else first == table[key]) for key in found[1:]):
        raise KeyError(
            f'{printable(name)} may be any of {_some(found)}; pass it with the folders that tell '
            'them apart'
        )
    return first


def _parts(name: str) -> list[str]:
    plain = unicodedata.normalize('NFC', forward_slashes(name))
    return [part for part in plain.split('/') if part not in ('', '.')]


def _common_end(first: list[str], second: list[str]) -> int:
    count = 0
    for a, b in zip(reversed(first), reversed(second)):
        if a != b:
            break
        count += 1
    return count


def _some(names: Iterable[Any], limit: int = 3) -> str:
    names = sorted(map(str, names))
    more = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(map(printable, names[:limit])) + more

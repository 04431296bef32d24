"""Images in the folders that people have: hidden companions, links, folders in folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .paths import printable

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
ARCHIVE_FOLDERS = ('__MACOSX',)


class FoundImages(NamedTuple):
    """Images of folders and files that were named.

    Attributes:
        paths: The images, each once, sorted within a folder.
        skipped: What looked like an image and was left out, with the reason.
    """

    paths: list[Path]
    skipped: list[tuple[Path, str]]


def find_images(sources: Sequence[str | Path], exclude: Path | None = None) -> FoundImages:
    """The image files that are named, and those in the folders that are named.

    In folders hidden files (``._a.jpg`` of macOS) and hidden folders, empty files, dangling links
    and folders called ``x.jpg`` are left out; linked folders are followed, each once. A file that
    is named itself is taken as it is.

    Args:
        sources: Files and folders.
        exclude: Folder whose images do not count: that of the output.

    Raises:
        FileNotFoundError: If a source does not exist, or a folder holds no image.
    """
    found: list[Path] = []
    skipped: list[tuple[Path, str]] = []
    for source in map(Path, sources):
        if source.is_file():
            found.append(source)
            continue
        if not source.is_dir():
            raise FileNotFoundError(f'no file or folder {printable(source)}')
        inside = sorted(_images_in(source, exclude, skipped))
        if not inside:
            left_out = f'; left out: {describe(skipped)}' if skipped else ''
            raise FileNotFoundError(
                f'no image in {printable(source)} (of {", ".join(IMAGE_SUFFIXES)}){left_out}'
            )
        found += inside
    return FoundImages(list(dict.fromkeys(found)), skipped)


def describe(skipped: Sequence[tuple[Path, str]], limit: int = 3) -> str:
    """What was left out, in one line."""
    names = [f'{printable(path)} ({reason})' for path, reason in skipped[:limit]]
    more = f' and {len(skipped) - limit} more' if len(skipped) > limit else ''
    return ', '.join(names) + more


def _images_in(
    folder: Path, exclude: Path | None, skipped: list[tuple[Path, str]]
) -> Iterator[Path]:
    excluded = exclude.resolve() if exclude is not None else None
    seen: set[Path] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        place = Path(root).resolve()
        if place in seen or (
            excluded is not None and (excluded == place or excluded in place.parents)
        ):
            folders[:] = []
            continue
        seen.add(place)
        hidden = [n for n in folders if n.startswith('.') or n in ARCHIVE_FOLDERS]
        skipped += [(Path(root) / n, 'hidden folder') for n in sorted(hidden) if n != '.git']
        folders[:] = sorted(set(folders) - set(hidden))
        for name in files:
            path = Path(root) / name
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            reason = _why_not(path)
            if reason is None:
                yield path
            else:
                skipped.append((path, reason))


def _why_not(path: Path) -> str | None:
    if path.name.startswith('.'):
        return 'hidden file'
    if not path.exists():
        return 'link to nothing'
    if not path.is_file():
        return 'no file'
    return 'empty file' if path.stat().st_size == 0 else None

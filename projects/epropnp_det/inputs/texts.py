"""Small text files as editors and spreadsheets leave them."""

from __future__ import annotations

import codecs
from pathlib import Path

# Longest first: the mark of UTF-32 begins with that of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, 'utf-32'),
    (codecs.BOM_UTF32_BE, 'utf-32'),
    (codecs.BOM_UTF8, 'utf-8-sig'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
)
SPACES = {ord(character): ' ' for character in '\u00a0\u2007\u202f\u3000'}
INVISIBLE = dict.fromkeys(map(ord, '\ufeff\u200b\u200e\u200f\x00'), None)


def decode_text(content: bytes) -> str:
    r"""Text of a file's bytes, whatever wrote it.

    Byte-order marks go, UTF-16 and UTF-32 are recognised (UTF-16 also without a mark, by its zero
    bytes), lines end in ``\n``. Bytes that are no UTF-8 become surrogates, as Python has them in
    file names, so that a name written in another encoding still opens its file.
    """
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if encoding is None:
        head = content[:512]
        zeros = [head[parity::2].count(0) > len(head) / 4 for parity in (0, 1)]
        encoding = {(True, False): 'utf-16-be', (False, True): 'utf-16-le'}.get(
            tuple(zeros), 'utf-8'
        )
    errors = 'surrogateescape' if encoding.startswith('utf-8') else 'replace'
    text = content.decode(encoding, errors)
    return text.replace('\r\n', '\n').replace('\r', '\n').lstrip('\ufeff')


def read_text(path: str | Path) -> str:
    """Text of a file, see ``decode_text``."""
    return decode_text(Path(path).read_bytes())


def plain_spaces(text: str) -> str:
    """The text with ordinary spaces for the unusual ones, and without invisible characters."""
    return text.translate(SPACES).translate(INVISIBLE)


def read_lines(path: str | Path) -> list[str]:
    """Lines of a list, one entry each: no white space around them, no empty ones, no comments."""
    lines = (line.strip() for line in plain_spaces(read_text(path)).split('\n'))
    return [line for line in lines if line and not line.startswith('#')]

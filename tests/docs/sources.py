"""What the tests of the documents read: files of the repository, their words and their headings.

Not a test: `conftest.py` hands this module to the tests as the fixture `sources`.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ('.ci', '.github', 'benchmarks', 'configs', 'demo', 'docs', 'projects', 'requirements')
FOLDERS += ('tests', 'tools')
"""Folders of the repository; what people keep beside them (data, work_dirs, .venv) is theirs."""

FENCE = re.compile(r'^ *```(\w*)\n(.*?)^ *```$', re.M | re.S)


def files(*suffixes: str) -> list[Path]:
    """Files with these suffixes, those at the root included."""
    below = (path for name in FOLDERS for path in (ROOT / name).rglob('*'))
    return sorted(
        path
        for path in (*ROOT.glob('*'), *below)
        if path.is_file()
        and path.suffix in suffixes
        and '.egg-info' not in str(path)
        and path.name != '.coverage'  # `make test` leaves it, and it is not text
    )


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def words_of_code(path: Path) -> Iterator[tuple[int, str]]:
    """Comments and strings of a Python file, with the lines they start at."""
    with tokenize.open(path) as file:
        source = file.read()
    comment, start = [], 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            start = start or token.start[0]
            comment.append(token.string.lstrip('# '))
        elif token.type != tokenize.NL:
            if comment:
                yield start, '\n'.join(comment)
            comment, start = [], 0
            if token.type == tokenize.STRING:
                yield token.start[0], token.string


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).replace('`', '')
    return re.sub(r'[^\w\- ]', '', plain.strip().lower()).replace(' ', '-')


def anchors(path: Path) -> set[str]:
    """Anchors of a Markdown file: its headings, and the names it gives by hand."""
    text = path.read_text('utf-8')
    headings = re.findall(r'^#{1,6} (.+)$', FENCE.sub('', text), re.M)
    return {slug(heading) for heading in headings} | set(re.findall(r'<a id="([^"]+)">', text))


def sections(path: Path) -> set[str]:
    """Numbers of a page's sections: headings `## 1.7 ...` and items `* **8.2 ...`."""
    return set(re.findall(r'^(?:#{2,6} |\* \*\*)(\d+(?:\.\d+)*)\b', path.read_text('utf-8'), re.M))


def numbered_items(path: Path, heading: str) -> set[str]:
    """Numbers of the list below a heading."""
    below = path.read_text('utf-8').split(f'## {heading}\n', 1)[1].split('\n## ')[0]
    return set(re.findall(r'^(\d+)\. ', below, re.M))

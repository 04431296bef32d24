"""Links, anchors, pictures, paths and commands of all Markdown files lead somewhere."""

import re
import shlex

import pytest

LINK = re.compile(r'!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)')
PATH = re.compile(r'^(?:benchmarks|configs|demo|docs|projects|requirements|tests|tools)/[^\s`]*$')


def expanded(pattern: str) -> list[str]:
    """`a/{b,c}.py` as `a/b.py`, `a/c.py`."""
    braces = re.search(r'\{([^{}]*)\}', pattern)
    if not braces:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [
        one
        for part in braces.group(1).split(',')
        for one in expanded(before + part.strip() + after)
    ]


@pytest.fixture(scope='module')
def pages(sources):
    found = {path: path.read_text('utf-8') for path in sources.files('.md')}
    assert len(found) >= 10
    return found


def test_links_and_anchors(sources, pages):
    broken, found = set(), 0
    for path, text in pages.items():
        prose = sources.FENCE.sub('', text)
        for target in LINK.findall(re.sub(r'`[^`\n]*`', '', prose)):
            if re.match(r'https?://|mailto:', target):
                continue
            found += 1
            file, _, anchor = target.partition('#')
            goal = (path.parent / file).resolve() if file else path
            inside = goal.is_relative_to(sources.ROOT) and goal.exists()
            if not inside or (anchor and anchor not in sources.anchors(goal)):
                broken.add((sources.name(path), target))
    assert found > 50
    assert not broken


def test_pictures_are_shown_somewhere(sources, pages):
    """A picture that no page shows is a left-over."""
    prose = '\n'.join(pages.values())
    pictures = [p for p in (sources.ROOT / 'docs' / 'images').rglob('*') if p.is_file()]
    assert pictures
    assert not [path.name for path in pictures if f'/{path.name})' not in prose]


def test_paths_in_prose(sources, pages):
    """`tools/train.py` and the like, with braces and stars."""
    missing = set()
    for path, text in pages.items():
        for span in re.findall(r'`([^`\n]+)`', sources.FENCE.sub('', text)):
            for word in span.split():
                if PATH.match(word):
                    missing |= {
                        (sources.name(path), one)
                        for one in expanded(word.split('::')[0].rstrip(',;'))
                        if not list(sources.ROOT.glob(one.rstrip('/')))
                    }
    assert not missing


def commands(sources, text):
    """Command lines of a page: shell blocks, and spans that begin like a command."""
    blocks = [
        body for kind, body in sources.FENCE.findall(text) if kind in ('bash', 'sh', 'console')
    ]
    lines = [
        line for body in blocks for line in body.replace('\\\n', ' ').splitlines() if line.strip()
    ]
    spans = re.findall(r'`((?:python|make|pytest|bash) [^`]+)`', sources.FENCE.sub('', text))
    return [*lines, *spans]


def test_commands_name_files_that_exist(sources, pages):
    targets = set(re.findall(r'^([a-z-]+):', (sources.ROOT / 'Makefile').read_text('utf-8'), re.M))
    wrong, found = set(), 0
    for path, text in pages.items():
        for line in commands(sources, text):
            words = shlex.split(line, comments=True)
            for before, word in zip(['', *words], words):
                if before == 'make' and re.fullmatch(r'[a-z-]+', word):
                    found += 1
                    wrong |= set() if word in targets else {(sources.name(path), f'make {word}')}
                elif PATH.match(word) and '$' not in word:
                    found += 1
                    if not list(sources.ROOT.glob(word.split('::')[0])):
                        wrong.add((sources.name(path), word))
    assert found > 30
    assert not wrong

"""Every document, section, weakness, trap and decision that the code cites exists."""

import re

import pytest

DOCUMENT = re.compile(r'(?<![\w./*}-])(?:[\w-]+/)*[\w-]+\.md\b')
NUMBER = r'\d+(?:\.\d+)*(?! (?:%|px))'
SECTIONS = re.compile(
    rf'(docs/method\w*\.md)\s+(?:\(|section )?({NUMBER}(?:(?:, | and |,\n *|\s+and\s+){NUMBER})*)'
)
WEAKNESS = re.compile(r'\b[WX]\d{1,2}\b')
# Files that commands write, and whose names the code therefore says.
WRITTEN = {'answers.md', 'curves.md', 'report.md', 'summary.md', 'table.md'}
ELSEWHERE = re.compile(r'\.\./sha' r'red|(?<![\w.}*])/(?:work|root|home|mnt)/\w')


@pytest.fixture(scope='module')
def citations(sources):
    """(place, words) of all comments and strings of the Python files."""
    here = [sources.ROOT / 'tests' / 'docs' / name for name in ('test_citations.py', 'sources.py')]
    worth_reading = re.compile(r'\.md\b|\b[WX]\d')
    return [
        (f'{sources.name(path)}:{line}', text)
        for path in sources.files('.py')
        if path not in here and worth_reading.search(path.read_text('utf-8'))
        for line, text in sources.words_of_code(path)
    ]


def test_documents_exist(sources, citations):
    missing = {
        (place, document)
        for place, text in citations
        for document in DOCUMENT.findall(text)
        if document.rsplit('/')[-1] not in WRITTEN
        and text.strip('\'"') != document  # one part of a path that the code puts together
        and not (sources.ROOT / document).is_file()
    }
    assert not missing


def test_sections_exist(sources, citations):
    pages = {page: sources.sections(page) for page in (sources.ROOT / 'docs').glob('method*.md')}
    found, missing = 0, set()
    for place, text in citations:
        for document, numbers in SECTIONS.findall(text):
            cited = set(re.findall(NUMBER, numbers))
            found += len(cited)
            missing |= {(place, one) for one in cited - pages[sources.ROOT / document]}
    assert found > 90
    assert not missing


def test_weaknesses_are_explained_where_the_code_says(sources, citations):
    """`docs/differences.md W12`: no bare number, whose page a reader would have to guess."""
    explained = {anchor for page in sources.files('.md') for anchor in sources.anchors(page)}
    found, wrong = 0, set()
    for place, text in citations:
        numbers = set(WEAKNESS.findall(text)) if re.search(r'\bW\d|\.md X\d', text) else set()
        found += len(numbers)
        if numbers and 'docs/differences.md' not in text and 'docs/method' not in text:
            wrong.add((place, 'names no page'))
        wrong |= {(place, number) for number in numbers if number.lower() not in explained}
    assert found > 30
    assert not wrong


@pytest.mark.parametrize(
    ('page', 'heading', 'word'),
    [
        ('docs/install.md', 'Traps of the stock stack', 'trap'),
        ('docs/architecture.md', 'Decisions', 'decision'),
    ],
)
def test_numbered_items_exist(sources, citations, page, heading, word):
    numbers = sources.numbered_items(sources.ROOT / page, heading)
    cited = {
        (place, number)
        for place, text in citations
        for number in re.findall(rf'{re.escape(page)},\s+{word} (\d+)', text)
    }
    assert cited
    assert not {(place, number) for place, number in cited if number not in numbers}


def test_nothing_outside_the_repository_is_named(sources):
    """No path of somebody's machine, in code, configs, documents or commands."""
    suffixes = ('.py', '.md', '.sh', '.txt', '.toml', '.yml', '.cfg', '.in', '')
    named = {
        (sources.name(path), match.group())
        for path in sources.files(*suffixes)
        if path.name not in ('test_citations.py', '.git')
        for match in ELSEWHERE.finditer(path.read_text('utf-8'))
    }
    assert not named

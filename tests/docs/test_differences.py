"""Every flag and file that docs/differences.md names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs' / 'differences.md').read_text('utf-8').split('## Weaknesses by number')[0]
SPANS = re.findall(r'`([^`]+)`', TEXT)
FLAGS = sorted({match.group(1) for span in SPANS for match in re.finditer(r'(\w+)=', span)})
FILES = sorted({span for span in SPANS if re.fullmatch(r'[\w/.-]+\.py', span)})


@pytest.fixture(scope='module')
def sources():
    package = (ROOT / 'projects' / 'epropnp_det').rglob('*.py')
    return '\n'.join(path.read_text('utf-8') for path in package)


def test_something_is_found():
    assert len(FLAGS) >= 12 and len(FILES) >= 4


@pytest.mark.parametrize('flag', [f for f in FLAGS if f not in ('optimizer_config', 'type')])
def test_flag_exists(flag, sources):
    is_argument = re.search(rf'\b{flag}: [\w\[\], |]+( = .+)?,?$', sources, re.M)
    is_test_option = f"'{flag}'" in sources
    assert is_argument or is_test_option


@pytest.mark.parametrize('name', FILES)
def test_file_exists(name):
    folders = (ROOT, ROOT / 'configs', ROOT / 'configs' / 'epropnp_det')
    assert any((folder / name).is_file() for folder in folders)

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    'documents_sources', Path(__file__).with_name('sources.py')
)
_SOURCES = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_SOURCES)


@pytest.fixture(scope='session')
def sources():
    """The module `sources.py`: files of the repository, their words and their headings."""
    return _SOURCES

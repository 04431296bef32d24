"""The small detector and its data, and a way to import the scripts."""

import pytest

from support.scripts import load
from support.small_detector import config, small_data  # noqa: F401


@pytest.fixture
def script(repository):
    """Imports a script by its path in the repository."""
    return lambda path: load(repository / path)

"""The small detector and data of tests/apis, and a way to import the scripts."""

import importlib.util
from pathlib import Path

import pytest


def load(path):
    spec = importlib.util.spec_from_file_location(f'script_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_apis = load(Path(__file__).resolve().parents[1] / 'apis' / 'conftest.py')
small_data, config = _apis.small_data, _apis.config


@pytest.fixture
def script(repository):
    """Imports a script by its path in the repository."""
    return lambda path: load(repository / path)

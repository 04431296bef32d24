"""Fixtures of the model tests."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def golden_head():
    """The module `golden_head.py`: deterministic parameters and inputs of the official v2 head."""
    path = Path(__file__).with_name('golden_head.py')
    spec = importlib.util.spec_from_file_location('golden_head', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""The small detector and its data; training of the tiny network."""

import logging

import pytest
from mmdet.utils import get_root_logger

from support.engine_runs import train_here
from support.engine_tiny import tiny_config
from support.small_detector import config, small_data  # noqa: F401


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """mmcv's runners sleep a second at the end."""
    monkeypatch.setattr('time.sleep', lambda seconds: None)


@pytest.fixture(autouse=True)
def warnings_are_logged():
    """mmcv gives a logger the level that its first user asked for; that may be another test."""
    logger = get_root_logger()
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(before)


@pytest.fixture
def train(tmp_path):
    """Trains the tiny network as the changes to its config say."""

    def train(work_dir='work', validate=False, **changes):
        return train_here(tiny_config(tmp_path / work_dir, **changes), validate=validate)

    return train

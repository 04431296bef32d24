"""Fixtures of the checkpoint tests: the official parameters, and our models of each version."""

import functools
import importlib.util
from pathlib import Path

import pytest
from mmcv import Config
from mmdet3d.models import build_model

import epropnp_det.models  # noqa: F401

HERE = Path(__file__).parent


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='session')
def official_shapes():
    """The module `official_shapes.py`: what docs/method.md 12 says of each version."""
    return _load(HERE / 'official_shapes.py')


@pytest.fixture(scope='session')
def golden_head():
    """The module `golden_head.py` of the model tests."""
    return _load(HERE.parent / 'models' / 'golden_head.py')


@pytest.fixture(scope='session')
def version_config(repository):
    """Path of the config of a version."""
    return lambda version: (
        repository / f'configs/epropnp_det/epropnp_det_{version}_r101_nuscenes.py'
    )


@pytest.fixture(scope='session')
def version_state(version_config):
    """State of our model of a version; nothing is downloaded, since nothing is initialised."""

    @functools.cache
    def state(version):
        return build_model(Config.fromfile(str(version_config(version))).model).state_dict()

    return state

"""Fixtures of the checkpoint tests: our models of each version."""

import functools

import pytest
from mmcv import Config
from mmdet3d.models import build_model

import epropnp_det.models  # noqa: F401


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

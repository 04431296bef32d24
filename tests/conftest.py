"""Fixtures shared by the whole suite: real data where it lies at hand, one thread."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest

if not Path('/dev/nvidiactl').exists():  # whoever imports triton first, a plugin or torch
    os.environ.setdefault('TRITON_INTERPRET', '1')
# Tests fork, and a child hangs in the thread pool that its parent has used, if it has one. Besides,
# other processors have tests of their own to run. Libraries read these as they are loaded.
os.environ.update(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', OPENCV_FOR_THREADS_NUM='1')

import torch

from support.limits import TEST_SECONDS, TimeLimit
from support.scripts import load
from support.workers import own_numba_cache, worker_count

REPOSITORY = Path(__file__).resolve().parents[1]
# Real images may not stand in the repository: EPROPNP_SHARED names a folder that holds data/.
SHARED = Path(os.environ.get('EPROPNP_SHARED', REPOSITORY))


# Examples take their time where other tests run at once.
hypothesis.settings.register_profile(
    'patient', deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile('patient')


def pytest_configure(config):
    torch.set_num_threads(1)
    # Numba's compiles for a minute where nothing is cached; tests/pnp compares it with this one.
    os.environ.setdefault('EPROPNP_BACKEND', 'planar')
    if hasattr(config, 'workerinput'):  # of pytest-xdist: one of several processes
        own_numba_cache(config.cache.mkdir(f'numba-{config.workerinput["workerid"]}'))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """What `-n auto` means."""
    processors = load(REPOSITORY / 'projects' / 'epropnp_det' / 'processors.py')
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return worker_count(processors.available_processors(), memory)


@pytest.fixture(scope='session', autouse=True)
def configs_are_not_laid_out():
    """Nobody reads those of tests, and yapf is busy with each for one to five seconds."""
    config = sys.modules.get('mmcv.utils.config')  # absent where the layer is tested alone
    with pytest.MonkeyPatch.context() as patch:
        if config:
            patch.setattr(config, 'FormatCode', lambda text, **style: (text, True))
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with TimeLimit(TEST_SECONDS):
        yield


def _shared(relative: str) -> Path:
    path = SHARED / relative
    if not path.exists():
        pytest.skip(
            f'no {path}: its licence keeps it out of the repository; EPROPNP_SHARED names the '
            'folder that holds data/'
        )
    return path


@pytest.fixture(scope='session')
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope='session')
def keyframe_root() -> Path:
    """The real nuScenes keyframe: `nuscenes_infos_mono3d.coco.json` and `samples/`."""
    return _shared('data/nuscenes_keyframe')


@pytest.fixture(scope='session')
def mini_val_json() -> Path:
    """Boxes and cameras of mini_val, without images."""
    return _shared('data/nuscenes_mini_val/nuscenes_infos_val_mono3d.coco.json')


@pytest.fixture(scope='session')
def kitti70_root() -> Path:
    """The training folder of 70 real KITTI frames."""
    return _shared('data/kitti70/training')


@pytest.fixture(scope='session')
def linemod_cat_root() -> Path:
    """BOP's LineMOD of the cat: `test`, `models`, `splits.json`."""
    return _shared('data/linemod_cat')


@pytest.fixture(scope='session')
def golden_dir() -> Path:
    """Outputs of the official modules (README.md there)."""
    return REPOSITORY / 'tests' / 'data' / 'golden'


@pytest.fixture(scope='session')
def synthetic_root(tmp_path_factory) -> Path:
    """A synthetic nuScenes: scene-0061 (train) and scene-0103 (val), 3 keyframes each, 400 x 225.

    Shared by all tests: read only. mmdet3d's converter wants it to lie at `data/nuscenes`.
    """
    from epropnp_det.synthetic import Spec, make_dataset

    root = tmp_path_factory.mktemp('synthetic') / 'data' / 'nuscenes'
    return make_dataset(root, Spec(scenes=2, frames=3), progress=False)

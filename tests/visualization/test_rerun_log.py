"""What a recording holds, read back through the SDK's own reader."""

from types import SimpleNamespace

import numpy as np
import pytest

from epropnp_det.visualization import CameraView, Objects
from epropnp_det.visualization import rerun_log as module

CAM2IMG = np.array([[80.0, 0, 48], [0, 80, 32], [0, 0, 1]])


def make_view(rng, count=2):
    boxes = np.array([[4.0, 1.5, 2.0, 1.0, 0.5, 10.0, 0.3]] * count).reshape(-1, 7)
    labels = np.zeros(count, int)
    samples = boxes[:, None, 3:] + 0.1 * rng.normal(size=(count, 300, 4))
    return CameraView(
        image=np.zeros((64, 96, 3), np.uint8),
        cam2img=CAM2IMG,
        objects=Objects(boxes, labels, np.full(count, 0.8)),
        ground_truth=Objects(boxes, labels),
        name='CAM_FRONT',
        samples=samples,
        log_weights=rng.normal(size=(count, 300)),
    )


def record(path, count):
    rng = np.random.default_rng(0)
    view = make_view(rng, count)
    found = SimpleNamespace(
        x3d=rng.normal(size=(count, 16, 3)),
        w2d=rng.random((count, 16, 2)),
        velocities=np.array([[1.0, 2.0], [np.nan, 0]])[:count].reshape(-1, 2),
    )
    with module.RerunLog(path, ('car', 'truck')) as log:
        for moment in range(3):
            log.log_sample(0.5 * moment, [view], [found])


@pytest.mark.parametrize('count', [2, 0])
def test_a_recording_has_what_there_is_at_every_moment(tmp_path, count):
    rerun = pytest.importorskip('rerun', reason='the optional rerun-sdk is not installed')
    record(tmp_path / 'out.rrd', count)
    recording = rerun.dataframe.load_recording(str(tmp_path / 'out.rrd'))
    table = recording.view(index='time', contents='/world/**').select().read_all()
    assert len(set(table.column('time').to_pylist())) == 3
    places = {name.split(':')[0] for name in table.column_names}
    camera = '/world/CAM_FRONT'
    parts = ('image', 'detections', 'ground_truth', 'posterior', 'velocity', 'points')
    parts = parts if count else parts[:1]
    assert places >= {camera, *(f'{camera}/{part}' for part in parts)}


def test_without_the_sdk_the_cure_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__('sys').modules, 'rerun', None)
    with pytest.raises(ImportError, match=r'epropnp-det\[rerun\]'):
        module.RerunLog(tmp_path / 'out.rrd', ('car',))
    assert not list(tmp_path.iterdir())

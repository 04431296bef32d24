"""mmdet3d's own get_flops.py and browse_dataset.py take our configs."""

import runpy
import sys
from pathlib import Path

import cv2
import mmdet3d
import numpy as np
import pytest

from epropnp_det.datasets.prepare import prepare_nuscenes

STOCK = Path(mmdet3d.__file__).parent / '.mim' / 'tools'
SMALL = 'configs/epropnp_det/epropnp_det_r18_synthetic_cpu.py'
FULL = 'configs/epropnp_det/epropnp_det_v2_r101_nuscenes.py'


@pytest.fixture
def run(repository, monkeypatch):
    def run(script, config, *arguments):
        if not (STOCK / script).is_file():
            pytest.skip(f'this mmdet3d ships no {script}')
        arguments = [script, repository / config, *arguments]
        monkeypatch.setattr(sys, 'argv', list(map(str, arguments)))
        runpy.run_path(str(STOCK / script), run_name='__main__')

    return run


def test_operations_are_counted(run, capsys):
    options = ['--cfg-options', 'model.backbone.init_cfg=None']
    run('analysis_tools/get_flops.py', SMALL, '--modality', 'image', '--shape', 64, 96, *options)
    said = capsys.readouterr().out
    assert 'Input shape: (3, 64, 96)' in said
    assert 'GFLOPs' in said and 'M' in said.split('Params:')[1]


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) >= '1.24.0',
    reason="mmdet3d's pictures want np.int, which numpy 1.24 dropped (docs/install.md)",
)
def test_training_data_are_drawn(run, synthetic_root, tmp_path):
    (path, _) = prepare_nuscenes(synthetic_root, 'v1.0-mini', tmp_path)
    data = {'ann_file': path, 'img_prefix': synthetic_root, 'data_root': synthetic_root}
    options = [f'data.train.{name}={value}' for name, value in data.items()]
    where = ['--task', 'mono-det', '--output-dir', tmp_path / 'out']
    run('misc/browse_dataset.py', FULL, *where, '--cfg-options', *options)
    pictures = sorted((tmp_path / 'out').rglob('*_gt.png'))
    assert len(pictures) == 18
    plain = cv2.imread(str(pictures[0]).replace('_gt', '_img'))
    assert (cv2.imread(str(pictures[0])) != plain).any()

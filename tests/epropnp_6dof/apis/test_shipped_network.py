"""The network that ships: its config, its file, and what it finds in real images."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from mmcv import Config

from epropnp_6dof.apis import infer, init_estimator, objects_of
from epropnp_6dof.data.dataset import ObjectPoseDataset
from epropnp_6dof.evaluation.report import evaluate_results
from epropnp_6dof.objects.poses import pose_matrices, quaternion
from epropnp_6dof.weights import default_weights


@pytest.fixture(scope='module')
def network():
    return init_estimator(device='cpu')


def test_file_and_config_belong_together(network, repository):
    path = default_weights()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stem.endswith(digest[:8]) and path.stat().st_size <= 16e6
    config = Config.fromfile(repository / f'configs/epropnp_6dof/{path.stem.rsplit("-")[0]}.py')
    for part in ('backbone', 'head', 'weights', 'losses', 'test_cfg'):
        assert config.model[part] == network.cfg.model[part]
    assert config.data.test == network.cfg.data.test
    assert list(config.objects) == list(objects_of(network)) == [6]


def test_it_finds_the_cat_in_real_images(network, linemod_cat_root):
    root = linemod_cat_root
    options = dict(network.cfg.data.test, split=str(root / 'test'), models=str(root / 'models'))
    options['image_ids'] = (str(root / 'splits.json'), 'test')
    options.pop('type')
    data = ObjectPoseDataset(every=20, **options)
    results = []
    for instance in data.instances:
        pose = infer(network, instance.image, instance.cam2img, instance.box[None])[0]
        row = np.r_[pose.translation, quaternion(pose.rotation)]
        assert np.allclose(pose_matrices(row[None])[0][:, :3], pose.rotation, atol=1e-5)
        results.append({'pose': row, 'valid': pose.valid})
    found = evaluate_results(results, data.instances, data.models)
    assert len(results) == 20
    # Of all 400 test images: 92.5 %, 1.3 degrees.
    assert found['mean/ADD 0.1d'] >= 75
    assert found['mean/rotation median (deg)'] < 2.5

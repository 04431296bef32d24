"""Uncertainty of detections through the public functions, from an image to samples."""

import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.runner import save_checkpoint
from mmdet3d.models import build_model

from epropnp_det.apis import infer_images, init_detector

CAM2IMG = np.array([[300.0, 0, 192], [0, 300, 108], [0, 0, 1]])


@pytest.fixture(scope='module')
def files(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp('posterior')
    cfg = Config.fromfile(
        str(repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_cpu.py')
    )
    cfg.model.backbone.base_channels = 16
    cfg.model.neck.in_channels = [32, 64, 128]
    cfg.model.test_cfg.update(score_thr=0.01, max_per_img=10)
    torch.manual_seed(0)
    model = build_model(cfg.model)
    model.init_weights()
    with torch.no_grad():
        model.bbox_head.detector.conv_cls.bias.fill_(-1.0)
    save_checkpoint(model, str(folder / 'model.pth'), meta={'CLASSES': cfg.class_names})
    cfg.dump(str(folder / 'config.py'))
    return folder


@pytest.mark.parametrize('flip', [False, True])
def test_covariance_samples_and_their_effective_number(files, flip):
    options = {
        'model.test_cfg.with_samples': True,
        'model.bbox_head.pnp_test.mc_samples': 64,
        'data.test.pipeline.1.flip': flip,
    }
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu', options)
    image = np.random.default_rng(0).integers(0, 255, (216, 384, 3), dtype=np.uint8)
    found = infer_images(model, [image], CAM2IMG)[0]['img_bbox']
    num = len(found['scores_3d'])
    assert num > 0 and found['samples_3d'].shape == (num, 64, 4)
    assert ((found['ess_3d'] >= 1) & (found['ess_3d'] <= 64)).all()
    covariance = found['pose_cov_3d'].double()
    torch.testing.assert_close(covariance, covariance.transpose(1, 2), rtol=1e-3, atol=1e-6)
    assert (covariance.diagonal(dim1=1, dim2=2) > 0).all()
    # The effective sample size is that of the log-weights that come with it.
    share = found['log_weights_3d'].softmax(1)
    torch.testing.assert_close(found['ess_3d'], 1 / share.square().sum(1))
    assert (found['samples_3d'][..., 3].abs() <= np.pi + 1e-4).all()
    again = infer_images(model, [image], CAM2IMG)[0]['img_bbox']
    assert torch.equal(found['samples_3d'], again['samples_3d'])


def test_without_request_there_is_the_covariance_only(files):
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu')
    image = np.zeros((216, 384, 3), dtype=np.uint8)
    found = infer_images(model, [image], CAM2IMG)[0]['img_bbox']
    assert found['pose_cov_3d'].shape == (len(found['scores_3d']), 4, 4)
    assert not {'samples_3d', 'log_weights_3d', 'ess_3d'} & set(found)

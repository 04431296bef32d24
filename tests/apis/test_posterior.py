"""Uncertainty of detections through the public functions, from an image to samples."""

import numpy as np
import pytest
from mmcv import Config
from mmcv.runner import save_checkpoint

from epropnp_det.apis import (
    VIEWS,
    detect,
    draw_view,
    init_detector,
    view_sheet,
    wanted_for,
)
from epropnp_det.visualization import titled
from support.untrained import untrained_detector

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
    save_checkpoint(
        untrained_detector(cfg), str(folder / 'model.pth'), meta={'CLASSES': cfg.class_names}
    )
    cfg.dump(str(folder / 'config.py'))
    return folder


IMAGE = np.random.default_rng(0).integers(0, 255, (216, 384, 3), dtype=np.uint8)


@pytest.mark.parametrize('flip', [False, True])
def test_covariance_samples_and_their_effective_number(files, flip):
    options = {'model.bbox_head.pnp_test.mc_samples': 64, 'data.test.pipeline.1.flip': flip}
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu', options)
    found = detect(model, IMAGE, CAM2IMG, with_samples=True)
    num = len(found)
    assert num > 0 and found.samples.shape == (num, 64, 4)
    assert ((found.ess >= 1) & (found.ess <= 64)).all()
    covariance = found.pose_cov.astype(np.float64)
    np.testing.assert_allclose(covariance, covariance.transpose(0, 2, 1), rtol=1e-3, atol=1e-6)
    assert (np.diagonal(covariance, axis1=1, axis2=2) > 0).all()
    # The effective sample size is that of the log-weights that come with it.
    share = np.exp(found.log_weights - found.log_weights.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.ess, 1 / np.square(share).sum(axis=1), rtol=1e-4)
    assert (np.abs(found.samples[..., 3]) <= np.pi + 1e-4).all()
    again = detect(model, IMAGE, CAM2IMG, with_samples=True)
    np.testing.assert_array_equal(found.samples, again.samples)


def test_without_request_there_is_the_covariance_only(files):
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu')
    found = detect(model, IMAGE, CAM2IMG)
    assert found.pose_cov.shape == (len(found), 4, 4)
    asked = ('samples', 'log_weights', 'ess', 'x3d', 'x2d', 'w2d', 'maps')
    assert all(getattr(found, name) is None for name in asked)


def test_the_config_can_ask_for_samples_too(files):
    options = {'model.test_cfg.with_samples': True}
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu', options)
    assert detect(model, IMAGE, CAM2IMG).samples is not None


@pytest.mark.parametrize('flip', [False, True])
def test_correspondences_come_on_request(files, flip):
    options = {'data.test.pipeline.1.flip': flip}
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu', options)
    found = detect(model, IMAGE, CAM2IMG, with_points=True)
    points = 64 * (1 + flip)
    assert found.x3d.shape == (len(found), points, 3)
    assert found.x2d.shape == found.w2d.shape == (len(found), points, 2)
    assert (found.w2d >= 0).all()


def test_score_map_is_high_where_objects_are_found(files):
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu')
    found = detect(model, IMAGE, CAM2IMG, with_maps=True)
    scores, to_image = found.maps['scores'], found.maps['score2img']
    assert scores.shape == (20, 48) and (scores >= 0).all()
    np.testing.assert_allclose(to_image @ [0, 0, 1], [0, 56, 1])  # the rows cropped at the top
    np.testing.assert_allclose(to_image @ [48, 20, 1], [384, 216, 1])
    assert 'depth' not in found.maps  # this model has no depth branch


def test_depth_map_of_a_model_with_the_auxiliary_branch(repository):
    path = repository / 'configs' / 'epropnp_det' / 'epropnp_det_r18_synthetic_aux_cpu.py'
    model = init_detector(path, None, 'cpu')
    maps = detect(model, IMAGE, CAM2IMG, with_maps=True).maps
    assert maps['depth'].ndim == 2 and np.isfinite(maps['depth']).all()
    height, width = maps['depth'].shape
    np.testing.assert_allclose(maps['depth2img'] @ [width, height, 1], [384, 216, 1])


def test_every_view_draws_what_detect_returned(files):
    model = init_detector(files / 'config.py', files / 'model.pth', 'cpu')
    found = detect(model, IMAGE, CAM2IMG, **wanted_for(VIEWS))
    for name in VIEWS:
        picture = draw_view(name, IMAGE, found)
        assert (picture is None) == (name == 'depth')
        assert picture is None or picture.dtype == np.uint8
        assert picture is None or picture.shape == IMAGE.shape
    sheet = view_sheet(list(VIEWS), IMAGE, found, min_height=216)
    cell = titled(IMAGE, 'title')
    assert sheet.shape == (6 * cell.shape[0], 2 * cell.shape[1], 3)  # eleven views, two in a row
    assert view_sheet(['depth'], IMAGE, found, min_height=216).shape == cell.shape
    nothing = found.above(2.0)
    assert view_sheet(['3d', 'density', 'points', 'orientation'], IMAGE, nothing).ndim == 3
    with pytest.raises(ValueError, match='no view xray'):
        wanted_for(['xray'])

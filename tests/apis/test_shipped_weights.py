"""The detectors that ship: file, config and terms belong together; what they see in photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from epropnp_det.apis import detect, init_detector, load_config, plain_config, resolve_config
from epropnp_det.weights import default_weights, photograph_weights
from support.scripts import load


@pytest.fixture(scope='module')
def model():
    return init_detector(checkpoint=photograph_weights(), device='cpu')


EVERY = pytest.mark.parametrize('weights', [default_weights, photograph_weights])


@EVERY
def test_file_and_config_belong_together(weights, repository):
    path = weights()
    name, _, digest = path.stem.rpartition('-')
    assert len(digest) == 8 and path.stat().st_size <= 8e6
    config = plain_config(load_config(str(repository / f'configs/epropnp_det/{name}.py')))
    shipped = plain_config(resolve_config(checkpoint=path))
    assert shipped['model']['bbox_head'] == config['model']['bbox_head']
    assert shipped['data']['test']['pipeline'] == config['data']['test']['pipeline']
    assert name in (path.parent / 'README.md').read_text('utf-8')


def test_terms_stand_beside_the_weights_for_photographs():
    text = (Path(photograph_weights()).parent / 'README.md').read_text('utf-8')
    assert 'CC BY-NC-SA 3.0' in text and 'CC BY-NC-SA 4.0' in text


def test_the_image_demo_takes_the_weights_for_photographs(repository):
    demo = load(repository / 'demo' / 'image_demo.py')
    given = ['my.jpg', '--focal', '1000']
    assert demo.weights_of(demo.parse_args(given)) == photograph_weights()
    assert demo.weights_of(demo.parse_args([*given, '--checkpoint', 'own.pth'])) == 'own.pth'
    assert demo.weights_of(demo.parse_args([*given, '--config', 'own.py'])) is None


def test_objects_of_any_camera_appear_at_one_size(model):
    """Images are resized by their focal length, so twice the pixels are the same to the network."""
    assert len(model.CLASSES) == 10
    blurred = np.random.default_rng(0).integers(0, 255, (9, 16, 3), np.uint8)
    cam2img = np.array([[120.0, 0, 80], [0, 120, 45], [0, 0, 1]])
    first, second = (
        detect(
            model,
            cv2.resize(blurred, None, fx=10 * zoom, fy=10 * zoom, interpolation=cv2.INTER_LINEAR),
            np.diag([zoom, zoom, 1.0]) @ cam2img,
            score_thr=0,
        )
        for zoom in (1, 2)
    )
    assert len(first) > 0 and len(second) > 0
    np.testing.assert_allclose(first.scores[:3], second.scores[:3], rtol=0.2)
    np.testing.assert_allclose(first.boxes[0, :6], second.boxes[0, :6], rtol=0.05, atol=0.2)


def test_it_finds_cars_in_photographs(model, kitti70_root, repository):
    tool = load(repository / 'benchmarks' / 'check_photographs.py')
    held_out = [image for image in tool.read_photographs(kitti70_root)][4::5]
    assert len(held_out) == 14
    cars, _ = zip(*tool.find_cars(model, held_out))
    result = tool.score(held_out, cars, 0.2, tool.TOLERANCES['2 m'], 30.0)
    assert result.cars == 32 and result.recall > 0.5

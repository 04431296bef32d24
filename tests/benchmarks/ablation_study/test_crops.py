"""A crop is an image of the same scene by another camera."""

import json

import numpy as np
import pytest
from ablation_study.crops import (
    CropSpec,
    Window,
    crop_annotation,
    crop_intrinsics,
    cut,
    draw_window,
    make_crops,
)
from hypothesis import given, settings
from hypothesis import strategies as st

CAM2IMG = [[200.0, 0, 160], [0, 210.0, 90], [0, 0, 1]]


def project(cam2img, point):
    pixel = np.asarray(cam2img) @ point
    return pixel[:2] / pixel[2]


@settings(max_examples=50)
@given(
    st.integers(-50, 250), st.integers(-50, 150), st.integers(2, 300), st.integers(8, 128)
)  # fmt: skip
def test_intrinsics_project_to_where_the_crop_shows_the_point(x, y, side, size):
    window, point = Window(x, y, side), np.array([1.3, -0.4, 7.0])
    expected = (project(CAM2IMG, point) - [x, y]) * size / side
    found = project(crop_intrinsics(CAM2IMG, window, size), point)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_cut_keeps_pixels_and_is_black_outside():
    image = np.random.default_rng(0).integers(1, 256, (20, 30, 3), np.uint8)
    crop = cut(image, Window(-4, 12, 16), 16)
    assert (crop[:, :4] == 0).all() and (crop[8:] == 0).all()
    np.testing.assert_array_equal(crop[:8, 4:], image[12:20, :12])


def test_window_holds_the_box_and_follows_the_seed():
    spec = CropSpec(room=(1.3, 1.8), shift=0.1)
    rng = np.random.default_rng(1)
    for _ in range(50):
        window = draw_window([40.0, 60.0, 30.0, 20.0], spec, rng)
        assert 39 - 1 <= window.side <= 54 + 1
        assert window.x <= 40 + 2 and window.x + window.side >= 70 - 2
    again = [
        draw_window([40.0, 60.0, 30.0, 20.0], spec, np.random.default_rng(7)) for _ in range(2)
    ]
    assert again[0] == again[1]


def test_annotations_are_clipped_and_say_how_much_is_lost():
    annotation = {
        'bbox': [10.0, 10.0, 20.0, 10.0],
        'center2d': [20.0, 15.0, 8.0],
        'truncation': 0.5,
    }
    found = crop_annotation(annotation, Window(20, 0, 40), 80)
    assert found['bbox'] == [0.0, 20.0, 20.0, 20.0]
    assert found['center2d'] == [0.0, 30.0, 8.0]
    assert found['truncation'] == pytest.approx(0.75)
    assert crop_annotation(annotation, Window(40, 0, 40), 80) is None
    assert annotation['truncation'] == 0.5


def test_crops_hold_their_objects_and_lidar(crops):
    content = json.loads((crops / 'train.json').read_text())
    assert len(content['images']) == 4
    boxes = {a['image_id']: [] for a in content['annotations']}
    for annotation in content['annotations']:
        boxes[annotation['image_id']].append(annotation)
    for image in content['images']:
        assert all(a['category_id'] == 0 for a in boxes[image['id']])
        target = max(boxes[image['id']], key=lambda a: a['area'])
        pixel = project(image['cam_intrinsic'], target['bbox_cam3d'][:3])
        np.testing.assert_allclose(pixel, target['center2d'][:2], atol=1e-6)
        assert 64 / 1.9 < max(target['bbox'][2:]) <= 64
        points = np.fromfile(image['lidar_path'], np.float32).reshape(-1, 5)
        assert 200 < len(points) < 600
        near = np.abs(points[:, :3] - target['bbox_cam3d'][:3]).max(1) < 0.61
        assert near.sum() > 200


def test_nothing_to_cut_is_an_error(small_nuscenes, tmp_path):
    with pytest.raises(ValueError, match='no object that fits'):
        make_crops(
            small_nuscenes / 'train.json', small_nuscenes, tmp_path / 'a.json', CropSpec(('bus',))
        )
    assert not (tmp_path / 'a.json').exists()


def test_crops_of_one_focal_length(small_nuscenes, tmp_path):
    """Objects keep their apparent sizes: that of a crop is the one that its camera gives."""
    spec = CropSpec(size=96, focal=150.0, room=(1.2, 1.2), copies=3)
    number = make_crops(small_nuscenes / 'train.json', small_nuscenes, tmp_path / 'a.json', spec)
    content = json.loads((tmp_path / 'a.json').read_text())
    assert number == len(content['images']) > 0
    for image in content['images']:
        assert image['cam_intrinsic'][0][0] == pytest.approx(150, rel=0.01)
        assert (image['width'], image['height']) == (96, 96)
        target = next(
            a
            for a in content['annotations']
            if a['image_id'] == image['id'] and a['bbox_cam3d'] == image['target']
        )
        assert max(target['bbox'][2:]) <= 96 / 1.2 + 1
        pixel = project(image['cam_intrinsic'], target['bbox_cam3d'][:3])
        np.testing.assert_allclose(pixel, target['center2d'][:2], atol=1e-6)
    with pytest.raises(ValueError, match='no object that fits'):
        large = spec._replace(focal=600.0)
        make_crops(small_nuscenes / 'train.json', small_nuscenes, tmp_path / 'b.json', large)

"""Intrinsics that cannot be, or may not be, those of their image."""

import re

import numpy as np
import pytest

from epropnp_det.inputs import (
    Calibration,
    InputWarning,
    camera_of_frames,
    camera_of_image,
    check_intrinsics,
    examine_intrinsics,
    rescale_intrinsics,
    write_image,
)
from epropnp_det.inputs.distortion import make_distortion

CAMERAS = {
    'nuScenes': ([[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1]], (1600, 900)),
    'KITTI': ([[721.5, 0, 609.6], [0, 721.5, 172.9], [0, 0, 1]], (1242, 375)),
    'portrait': ([[3000.0, 0, 1512], [0, 3000, 2016], [0, 0, 1]], (3024, 4032)),
}


@pytest.fixture(params=CAMERAS)
def camera(request):
    matrix, size = CAMERAS[request.param]
    return np.array(matrix), size


def scaled(matrix, factor):
    return np.diag([factor, factor, 1]) @ matrix


def test_sound_intrinsics_raise_no_doubt(camera):
    assert examine_intrinsics(*camera) == ((), ())
    matrix, (width, height) = camera
    top = min(228, height // 4)
    matrix[1, 2] -= top  # the sky cut off
    assert examine_intrinsics(matrix, (width, height - top)).errors == ()


@pytest.mark.parametrize('factor', [2, 3, 4])
def test_intrinsics_of_a_larger_image_are_refused_or_doubted(factor, camera):
    matrix, size = camera
    errors, doubts = examine_intrinsics(scaled(matrix, factor), size)
    assert any('--intrinsics-size' in text for text in (*errors, *doubts))
    if factor > 2:
        assert errors


@pytest.mark.parametrize('factor', [1 / 4, 1 / 2, 2 / 3, 3 / 2])
def test_intrinsics_of_a_similar_image_are_doubted(factor, camera):
    matrix, size = camera
    errors, doubts = examine_intrinsics(scaled(matrix, factor), size)
    assert not errors
    assert 'another resolution' in doubts[0]


def test_the_guess_is_the_size_they_are_of():
    matrix, size = CAMERAS['nuScenes']
    with pytest.raises(ValueError, match='such as 3200 x 1800'):
        check_intrinsics(scaled(np.array(matrix), 2), size)


@pytest.mark.parametrize('stated', [(3200, 1800), (900, 1600), (1600, 901)])
def test_another_stated_size_is_refused(stated):
    matrix, size = CAMERAS['nuScenes']
    with pytest.raises(
        ValueError, match=f'{stated[0]} x {stated[1]}.*1600 x 900.*--intrinsics-size'
    ):
        check_intrinsics(matrix, size, stated)


def test_width_and_height_swapped():
    matrix, (width, height) = CAMERAS['nuScenes']
    assert 'swapped' in examine_intrinsics(np.array(matrix), (height, width)).doubts[0]
    with pytest.raises(ValueError, match='swapped'):
        check_intrinsics(matrix, (width, height), (height, width))


@pytest.mark.parametrize(
    ('matrix', 'message'),
    [
        (np.diag([1.0, 8, 1]) @ np.array(CAMERAS['nuScenes'][0]), 'oblong'),
        (np.diag([1 / 1600, 1 / 900, 1]) @ np.array(CAMERAS['nuScenes'][0]), 'normalised'),
        (np.array(CAMERAS['nuScenes'][0]) * np.nan, 'not finite'),
        (np.full((3, 3), np.inf), 'not finite'),
        (np.array(CAMERAS['nuScenes'][0]).T, 'expected rows'),
        ([['a', 'b']], 'three rows'),
        (None, 'three rows|3 x 3'),
    ],
)
def test_what_is_no_camera_of_the_image_is_refused_in_one_line(matrix, message):
    with pytest.raises(ValueError, match=message) as error:
        check_intrinsics(matrix, (1600, 900))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (np.diag([2.5, 1, 1]) @ np.diag([1, 1, 1]), 'factor of two'),
        ([[1, 0, -900], [0, 1, 0], [0, 0, 1]], 'outside.*a crop'),
        ([[1, 0, -816.3], [0, 1, -491.5], [0, 0, 1]], 'missing'),
    ],
)
def test_unusual_cameras_are_doubted(change, message):
    matrix, size = CAMERAS['nuScenes']
    errors, doubts = examine_intrinsics(np.array(change) @ np.array(matrix), size)
    assert not errors
    assert re.search(message, ' '.join(doubts))


def test_resized_images(tmp_path):
    matrix, size = CAMERAS['nuScenes']
    path = write_image(tmp_path / 'a.png', np.zeros((450, 800, 3), np.uint8))
    with pytest.raises(ValueError, match=r'a\.png: .*--intrinsics-size 1600 900'):
        camera_of_image(path, Calibration(np.array(matrix), size))
    camera = camera_of_image(path, np.array(matrix), intrinsics_size=size)
    np.testing.assert_allclose(camera.cam2img, scaled(np.array(matrix), 0.5))
    with pytest.raises(ValueError, match='by resizing alone'):
        camera_of_image(path, np.array(matrix), intrinsics_size=(1600, 1200))
    with pytest.raises(ValueError, match='leave it out or correct it'):
        camera_of_image(path, Calibration(np.array(matrix), size), intrinsics_size=(640, 360))


def test_frames_of_a_video():
    matrix, size = CAMERAS['nuScenes']
    calibration = Calibration(np.array(matrix), size)
    assert camera_of_frames('a.mp4', calibration, size).size == size
    with pytest.raises(ValueError, match=r'a\.mp4: .*--intrinsics-size 1600 900'):
        camera_of_frames('a.mp4', calibration, (800, 450))
    half = camera_of_frames('a.mp4', calibration, (800, 450), intrinsics_size=size)
    np.testing.assert_allclose(half.cam2img, scaled(np.array(matrix), 0.5))
    distorted = calibration._replace(distortion=make_distortion([0.1, 0, 0, 0]))
    with pytest.warns(InputWarning, match=r'a\.mp4: .*--undistort'):
        camera_of_frames('a.mp4', distorted, size)


def test_the_size_of_the_image_itself_confirms_a_crop(tmp_path):
    path = write_image(tmp_path / 'a.png', np.zeros((90, 160, 3), np.uint8))
    corner = np.array([[500.0, 0, 161], [0, 500, 91], [0, 0, 1]])
    with pytest.raises(ValueError, match='--intrinsics-size 160 90 confirms'):
        camera_of_image(path, corner)
    with pytest.warns(InputWarning, match='outside'):
        assert camera_of_image(path, corner, intrinsics_size=(160, 90)).size == (160, 90)


def test_rescaling_tolerates_rounded_sizes():
    matrix = np.array(CAMERAS['nuScenes'][0])
    assert rescale_intrinsics(matrix, (1600, 900), (401, 225))[0, 0] == pytest.approx(
        317.4, abs=0.1
    )
    with pytest.raises(ValueError, match='two positive numbers'):
        rescale_intrinsics(matrix, (0, 900), (400, 225))

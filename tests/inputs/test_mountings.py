"""The ground as a mounted camera sees it, and what users say of the mounting."""

import json

import numpy as np
import pytest
from pyquaternion import Quaternion

from epropnp_det.inputs import (
    Calibration,
    calibration_of,
    camera_of_image,
    fitting_mounting,
    ground_plane,
    mounting_from_height,
    read_calibrations,
)
from epropnp_det.inputs.mountings import recorded_mounting, turn_mounting
from epropnp_det.inputs.orientation import orient_intrinsics

from .conftest import encoded

AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # camera -> level vehicle
CAM2IMG = [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]


def record(height, yaw=0.0, pitch=0.0, roll=0.0):
    turn = Quaternion(axis=[0, 0, 1], degrees=yaw) * Quaternion(axis=[0, 1, 0], degrees=pitch)
    rotation = (turn * Quaternion(axis=[1, 0, 0], degrees=roll)).rotation_matrix @ AXES
    return {
        'cam2ego_rotation': list(Quaternion(matrix=rotation)),
        'cam2ego_translation': [1.7, -0.3, height],
    }, rotation


@pytest.mark.parametrize('mounting', [(1.5,), (0.8, 70, 4, -2), (2.4, 180, -3, 5)])
def test_points_of_the_ground_fulfil_it(mounting):
    image, rotation = record(*mounting)
    plane = ground_plane(recorded_mounting(image))
    spots = np.random.default_rng(0).uniform(-40, 40, (20, 3)) * [1, 1, 0]
    points = (spots - image['cam2ego_translation']) @ rotation
    np.testing.assert_allclose(points @ plane, 1, atol=1e-4)
    assert plane.dtype == np.float32


def test_a_level_camera_looks_down_at_it():
    for cam2ego in (recorded_mounting(record(1.6)[0]), mounting_from_height(1.6)):
        np.testing.assert_allclose(ground_plane(cam2ego), [0, 1 / 1.6, 0], atol=1e-6)


@pytest.mark.parametrize('image', [record(0.0)[0], record(-1.5)[0], record(1.5, roll=180)[0]])
def test_a_mounting_that_does_not_tell_gives_none(image):
    assert ground_plane(recorded_mounting(image)) is None
    assert recorded_mounting({}) is None


@pytest.mark.parametrize(('pitch', 'roll'), [(0, 0), (4, 0), (-3, 0), (0, 5), (-2, -7), (20, 10)])
def test_height_pitch_and_roll_are_a_rotation_into_the_vehicle(pitch, roll):
    _, rotation = record(1.5, 0, pitch, roll)
    cam2ego = mounting_from_height(1.5, pitch, roll)
    np.testing.assert_allclose(cam2ego[:3, :3], rotation, atol=1e-12)
    np.testing.assert_allclose(cam2ego[:, 3], [0, 0, 1.5, 1])


def test_pitch_looks_down_and_roll_lowers_the_right_side():
    """Where the middle of the image meets the ground, and how high the two sides are."""
    ahead = mounting_from_height(1.5, pitch=10)[:3, 2]
    assert -1.5 / ahead[2] == pytest.approx(1.5 / np.sin(np.radians(10)))
    right = mounting_from_height(1.5, roll=10)[:3, 0]
    assert right[2] == pytest.approx(-np.sin(np.radians(10)))


LEVEL = mounting_from_height(1.5)


def changed(row, column, value, matrix=LEVEL):
    matrix = matrix.copy()
    matrix[row, column] = value
    return matrix


BAD = {
    'negative height': (changed(2, 3, -1.5), 'row 2, column 3.*inverse, ego2cam'),
    'on the ground': (changed(2, 3, 0.0), 'at least 0.2 m.*Leave the mounting out'),
    'the inverse': (np.linalg.inv(changed(0, 3, 1.7)), 'ego2cam'),
    'centimetres': (changed(2, 3, 150), 'are these metres'),
    'a scale': (np.diag([2.0, 2, 2, 1]) @ LEVEL, 'must be rigid'),
    'mirrored': (LEVEL @ np.diag([-1.0, 1, 1, 1]), 'must be rigid'),
    'transposed': (LEVEL.T, 'last row.*transposed'),
    'upside down': (mounting_from_height(1.5, roll=180), 'upside down or on its side'),
    'on its side': (mounting_from_height(1.5, roll=90), 'upside down or on its side'),
    'axes of the vehicle': (changed(2, 3, 1.5, np.eye(4)), 'axes must be x right'),
    'three rows': (LEVEL[:3], '4 x 4 matrix, got shape .3, 4.; mounting_from_height'),
    'a word': ('high', 'four rows of four numbers'),
    'not finite': (changed(0, 0, np.nan), 'not finite'),
}


@pytest.mark.parametrize('name', BAD)
def test_what_is_no_mounting_is_named_with_its_cure(name):
    cam2ego, message = BAD[name]
    with pytest.raises(ValueError, match=message) as error:
        fitting_mounting(cam2ego, path='my.jpg')
    assert str(error.value).startswith('my.jpg: ') and '\n' not in str(error.value)


@pytest.mark.parametrize('height', [-1.5, 0, 165, float('nan'), None, 'high'])
def test_heights_that_are_none_are_named(height):
    with pytest.raises(ValueError, match='metres|finite'):
        mounting_from_height(height)


def test_a_matrix_that_is_handed_in_stays_as_it_is():
    cam2ego = mounting_from_height(1.5, 3).astype(np.float32)
    before = cam2ego.copy()
    checked = fitting_mounting(cam2ego.tolist())
    np.testing.assert_allclose(checked, before)
    fitting_mounting(cam2ego)[2, 3] = 9
    np.testing.assert_array_equal(cam2ego, before)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_camera_turns_with_its_image(orientation):
    """A spot of the ground stays where it is, in the world and among the turned pixels."""
    size = (64, 48)
    cam2ego = mounting_from_height(1.5, 8, -3)
    turned = turn_mounting(cam2ego, orientation)
    spot = np.array([9.0, 1.2, 0.0, 1.0])
    seen, seen_turned = (np.linalg.inv(matrix) @ spot for matrix in (cam2ego, turned))
    u, v, w = CAM2IMG @ seen[:3]
    x, y, z = orient_intrinsics(np.array(CAM2IMG), size, orientation) @ seen_turned[:3]
    u, v = u / w, v / w
    width, height = size
    shown = [
        (u, v), (width - u, v), (width - u, height - v), (u, height - v),
        (v, u), (height - v, u), (height - v, width - u), (v, width - u),
    ]  # fmt: skip
    np.testing.assert_allclose((x / z, y / z), shown[orientation - 1])


@pytest.mark.parametrize(('orientation', 'roll'), [(3, 180), (6, 90), (8, -90)])
def test_an_image_is_turned_with_intrinsics_and_mounting(orientation, roll, picture, tmp_path):
    """A camera that was rolled as EXIF says is level in the picture as it is shown."""
    path = tmp_path / 'a.png'
    path.write_bytes(encoded(picture, 'PNG', orientation))
    level = mounting_from_height(1.5)
    rolled = Calibration(np.array(CAM2IMG), cam2ego=mounting_from_height(1.5, roll=roll))
    camera = camera_of_image(path, rolled, exif='apply')
    np.testing.assert_allclose(camera.cam2ego, level, atol=1e-12)
    np.testing.assert_allclose(camera.calibration.cam2ego, rolled.cam2ego)
    with pytest.raises(ValueError, match='once EXIF has turned it; cam2ego is of the stored'):
        camera_of_image(path, rolled._replace(cam2ego=level), exif='apply')
    for mode in ('ignore', 'upright'):
        camera = camera_of_image(path, rolled._replace(cam2ego=level), exif=mode)
        np.testing.assert_array_equal(camera.cam2ego, level)


# ---- calibration files


def written(path, content):
    path.write_text(json.dumps(content))
    return read_calibrations(path)


def sensor(token, height=1.5, matrix=CAM2IMG):
    mounting, _ = record(height, pitch=2)
    return {
        'token': token,
        'sensor_token': 'front',
        'rotation': mounting['cam2ego_rotation'],
        'translation': mounting['cam2ego_translation'],
        'camera_intrinsic': matrix,
    }


def test_files_of_nuscenes_tell_the_mounting(tmp_path):
    image, _ = record(1.5, pitch=2)
    expected = recorded_mounting(image)
    annotated = {'file_name': 'a/0.jpg', 'cam_intrinsic': CAM2IMG, 'width': 64, 'height': 48}
    content = {'images': [{**annotated, **image}, {**annotated, 'file_name': 'a/1.jpg'}]}
    found = written(tmp_path / 'mono3d.json', content)
    np.testing.assert_allclose(calibration_of('data/a/0.jpg', found).cam2ego, expected)
    assert calibration_of('data/a/1.jpg', found).cam2ego is None
    for value in (sensor('a'), [sensor('a')]):
        np.testing.assert_allclose(written(tmp_path / 's.json', value).cam2ego, expected)


def test_a_table_of_equal_cameras_tells_intrinsics_where_their_mountings_differ(tmp_path):
    found = written(tmp_path / 'calibrated_sensor.json', [sensor('a'), sensor('b', 1.8)])
    np.testing.assert_allclose(found.cam2img, CAM2IMG)
    assert found.cam2ego is None


def test_any_file_may_name_it(tmp_path):
    cam2ego = mounting_from_height(1.3, 1)
    found = written(tmp_path / 'k.json', {'K': CAM2IMG, 'cam2ego': cam2ego.tolist()})
    np.testing.assert_allclose(found.cam2ego, cam2ego)
    rescaled = found._replace(size=(64, 48)).of_size((128, 96))
    np.testing.assert_allclose(rescaled.cam2ego, cam2ego)
    with pytest.raises(ValueError, match=r'k\.json: .*must be rigid'):
        written(tmp_path / 'k.json', {'K': CAM2IMG, 'cam2ego': (2 * cam2ego - np.eye(4)).tolist()})


def test_other_files_have_frames_of_their_own(tmp_path):
    content = {'K': CAM2IMG, 'rotation': [0.5, -0.5, 0.5, -0.5], 'translation': [0, 0, 1.5]}
    assert written(tmp_path / 'k.json', content).cam2ego is None
    assert written(tmp_path / 'k.json', sensor('a', height=0.0)).cam2ego is None

"""The ground as a mounted camera sees it."""

import numpy as np
import pytest
from pyquaternion import Quaternion

from epropnp_det.datasets.mounting import ground_plane

AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # camera -> level vehicle


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
    plane = ground_plane(image)
    spots = np.random.default_rng(0).uniform(-40, 40, (20, 3)) * [1, 1, 0]
    points = (spots - image['cam2ego_translation']) @ rotation
    np.testing.assert_allclose(points @ plane, 1, atol=1e-4)
    assert plane.dtype == np.float32


def test_a_level_camera_looks_down_at_it():
    np.testing.assert_allclose(ground_plane(record(1.6)[0]), [0, 1 / 1.6, 0], atol=1e-6)


@pytest.mark.parametrize('image', [{}, record(0.0)[0], record(-1.5)[0], record(1.5, roll=180)[0]])
def test_a_mounting_that_does_not_tell_gives_none(image):
    assert ground_plane(image) is None

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from epropnp_6dof.crops.crop import Crop
from epropnp_6dof.crops.official import OfficialCrop
from epropnp_6dof.objects.models import Mesh
from epropnp_6dof.objects.poses import ObjectPose, quaternion
from epropnp_6dof.visualization import (
    coordinate_picture,
    draw_axes,
    draw_contour,
    orientation_sphere,
    pose_panel,
    translation_marginals,
    weight_picture,
)
from epropnp_6dof.visualization.overlay import AXIS_COLORS, OUTLINE_COLOR

CAM2IMG = np.array([[500.0, 0, 160], [0, 500, 120], [0, 0, 1]])
TRANSLATION = np.array([0.05, -0.02, 0.8])
ROTATION = Rotation.from_euler('xyz', [0.4, -0.3, 0.8]).as_matrix()


def blank(width=320, height=240):
    return np.full((height, width, 3), 40, np.uint8)


def colored(picture, color, tolerance=60):
    """Columns and rows of pixels that are about of a colour, (n, 2)."""
    near = np.abs(picture.astype(int) - color).max(axis=2) < tolerance
    return np.argwhere(near)[:, ::-1]


@pytest.fixture
def mesh():
    """A box of 10 x 6 x 4 cm."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [(a, b, c) for a, b, c, _ in quads] + [(a, c, d) for a, _, c, d in quads]
    vertices = signs * [0.05, 0.03, 0.02]
    normals = (signs / 3**0.5).astype(np.float32)
    return Mesh(vertices, np.array(faces), np.full((8, 3), 0.5, np.float32), normals)


def project(points, cam2img=CAM2IMG):
    pixels = (points @ ROTATION.T + TRANSLATION) @ cam2img.T
    return pixels[:, :2] / pixels[:, 2:]


def test_the_outline_runs_where_the_mesh_ends(mesh):
    picture = draw_contour(blank(), mesh, ROTATION, TRANSLATION, CAM2IMG)
    line, corners = colored(picture, OUTLINE_COLOR), project(mesh.vertices)
    np.testing.assert_allclose(line.min(0), corners.min(0), atol=1.5)
    np.testing.assert_allclose(line.max(0), corners.max(0), atol=1.5)


def test_an_object_outside_leaves_the_image_alone(mesh):
    for place in (np.array([0, 0, -1.0]), np.array([9.0, 0, 1.0])):
        picture = draw_contour(blank(), mesh, ROTATION, place, CAM2IMG)
        assert (picture == blank()).all()
        draw_axes(blank(), ROTATION, place, CAM2IMG, 0.05)


@pytest.mark.parametrize('axis', range(3))
def test_axes_end_at_their_points(axis):
    picture = draw_axes(blank(), ROTATION, TRANSLATION, CAM2IMG, 0.1, thickness=1)
    tip = project(0.1 * np.eye(3)[axis : axis + 1])[0]
    distance = np.linalg.norm(colored(picture, AXIS_COLORS[axis]) - tip, axis=1)
    assert distance.min() < 2
    assert (draw_axes(blank(), ROTATION, -TRANSLATION, CAM2IMG, 0.1) == blank()).all()


def test_coordinates_are_colours_and_faint_without_weight():
    noc = np.ones((3, 4, 4)) * np.array([1.0, -1, 0])[:, None, None]
    weights = np.zeros((2, 4, 4))
    weights[:, :, :2] = 1
    picture = coordinate_picture(noc, weights, 64).astype(int)
    assert picture[32, 10].tolist() == [127, 0, 255]  # z 0, y -1, x 1 as blue, green, red
    assert picture[32, 50].max() < 40


def test_weights_are_bright_where_they_are_high():
    weights = np.zeros((2, 8, 8))
    weights[:, 2, 6] = 0.5
    picture = weight_picture(weights, np.full((160, 160, 3), 90, np.uint8)).sum(axis=2)
    row, column = np.unravel_index(picture[:100].argmax(), (100, 160))
    assert abs(row - 50) < 12 and abs(column - 130) < 12


def samples_about(rotations, count=200, spread=0.03, seed=0):
    """Poses around each of some rotations, (S, 7)."""
    noise = Rotation.from_rotvec(
        spread * np.random.default_rng(seed).normal(size=(count * len(rotations), 3))
    )
    turned = noise.as_matrix() @ np.repeat(rotations, count, axis=0)
    poses = np.stack([np.r_[TRANSLATION, quaternion(turn)] for turn in turned])
    return poses, np.full(len(poses), 1 / len(poses))


def test_two_modes_are_two_spots_of_one_colour():
    half_turn = ROTATION @ np.diag([-1.0, -1, 1])
    one = orientation_sphere(*samples_about([ROTATION]), ROTATION, 300)
    two = orientation_sphere(*samples_about([ROTATION, half_turn]), ROTATION, 300)
    x_axis = 150 + 0.4 * 300 * ROTATION[:2, 0]
    for center, expected in ((x_axis, (True, True)), (300 - x_axis, (False, True))):
        column, row = center.round().astype(int)
        patch = np.s_[row - 6 : row + 7, column - 6 : column + 7]
        assert tuple((p[patch].min() < 200) for p in (one, two)) == expected


def test_marginals_show_where_the_samples_lie():
    poses, shares = samples_about([ROTATION])
    poses[:, :3] += np.random.default_rng(0).normal(size=(200, 3)) * 0.01
    plain = translation_marginals(poses, shares, TRANSLATION, 300)
    shifted = translation_marginals(poses, shares, TRANSLATION - [0.01, 0, 0], 300)
    x_bars = [
        colored(picture[30:97], AXIS_COLORS[0], 10)[:, 0].mean() for picture in (plain, shifted)
    ]
    y_bars = [
        colored(picture[130:197], AXIS_COLORS[1], 10)[:, 0].mean() for picture in (plain, shifted)
    ]
    assert x_bars[0] == pytest.approx(150, abs=12) and x_bars[1] > x_bars[0] + 20
    assert y_bars[1] == pytest.approx(150, abs=12)


@pytest.mark.parametrize(
    'crop',
    [
        Crop(np.array([180.0, 110.0]), 90.0, 0.0, 64, 16),
        OfficialCrop(140, 70, 90, 64, 16, (320, 240)),
        OfficialCrop(-20, -10, 91, 64, 16, (320, 240)),
    ],
    ids=['ours', 'official', 'overhanging'],
)
def test_the_matrix_of_a_crop_says_where_a_pixel_goes(crop):
    image = np.zeros((240, 320, 3), np.float32)
    place = np.array([60, 50]) if crop.center[0] < 100 else np.array([190, 100])
    image[place[1], place[0]] = 1.0
    image = cv2.GaussianBlur(image, (0, 0), 3.0)
    cut = crop.cut(image, 128)[..., 0]
    rows, columns = np.mgrid[:128, :128]
    found = np.array([(cut * columns).sum(), (cut * rows).sum()]) / cut.sum()
    np.testing.assert_allclose(found, crop.matrix(128) @ [*place, 1], atol=0.1)


@pytest.mark.parametrize('count', [0, 200])
def test_a_panel_shows_the_posterior_where_there_is_one(mesh, count):
    poses, shares = samples_about([ROTATION])
    pose = ObjectPose(
        6, ROTATION, TRANSLATION, np.eye(6), 1.0, True, True, 50.0, poses[:count], shares[:count],
        Crop(np.array([190.0, 110.0]), 120.0, 0.0, 64, 16), np.zeros((3, 16, 16)),
        np.ones((2, 16, 16)),
    )  # fmt: skip
    panel = pose_panel(blank(), CAM2IMG, pose, mesh, 0.12, side=200)
    assert panel.shape[1] == 200 * (5 if count else 3)
    assert len(colored(panel, OUTLINE_COLOR)) > 100

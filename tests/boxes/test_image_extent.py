import numpy as np
import pytest

from epropnp_det.boxes.arrays import UNIT_CORNERS, points_of_boxes, project
from epropnp_det.boxes.image_extent import image_bboxes, truncations
from epropnp_det.inputs.rotations import quaternion_to_matrix

CAM2IMG = np.array([[300.0, 0, 160], [0, 300, 90], [0, 0, 1]])
SIZE = (320, 180)


def random_boxes(num, depth, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.stack(
        [rng.uniform(-8, 8, num), rng.uniform(-2, 3, num), rng.uniform(*depth, num)], axis=1
    )
    return centers, rng.uniform(0.5, 5, (num, 3)), quaternion_to_matrix(rng.normal(size=(num, 4)))


def dense_surface(steps=60):
    """Points all over the faces of the unit box."""
    axis = np.linspace(-0.5, 0.5, steps)
    flat = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    faces = []
    for side in (-0.5, 0.5):
        for at in range(3):
            faces.append(np.insert(flat, at, side, axis=1))
    return np.concatenate(faces)


@pytest.mark.parametrize('depth', [(6.0, 30.0), (-2.0, 4.0)])
def test_boxes_enclose_what_the_image_shows(depth):
    """Against a cloud of surface points, also for boxes that reach behind the camera."""
    boxes = random_boxes(150, depth)
    bboxes = image_bboxes(points_of_boxes(UNIT_CORNERS, *boxes), CAM2IMG, SIZE)
    cloud = points_of_boxes(dense_surface(), *boxes)
    shown = 0
    for points, bbox in zip(cloud, bboxes):
        pixels = project(points[points[:, 2] > 0.1], CAM2IMG)
        pixels = pixels[((pixels >= 0) & (pixels <= SIZE)).all(axis=1)]
        if len(pixels) < 50:
            continue
        shown += 1
        assert (pixels.min(axis=0) >= bbox[:2] - 1e-6).all()
        assert (pixels.max(axis=0) <= bbox[2:] + 1e-6).all()
        if depth[0] > 0:  # sampled densely enough to be tight
            assert np.abs(np.r_[pixels.min(axis=0), pixels.max(axis=0)] - bbox).max() < 6
    assert shown > 20


def test_nothing_shown_is_nan():
    centers = np.array([[0.0, 0, -10], [500, 0, 10], [0, 0, 10]])
    boxes = (centers, np.ones((3, 3)), np.repeat(np.eye(3)[None], 3, axis=0))
    bboxes = image_bboxes(points_of_boxes(UNIT_CORNERS, *boxes), CAM2IMG, SIZE)
    assert np.isnan(bboxes[:2]).all() and np.isfinite(bboxes[2]).all()
    assert image_bboxes(np.zeros((0, 8, 3)), CAM2IMG, SIZE).shape == (0, 4)


def test_truncation_of_a_box_cut_by_the_border():
    """A thin plate whose centre lies on the border is half outside."""
    border = (0 - 160) / 300 * 10
    centers = np.array([[0.0, 0, 10], [border, 0, 10], [-100, 0, 10], [0, 0, -10]])
    extents = np.tile([2.0, 0.5, 1e-6], (4, 1))
    rotations = np.repeat(np.eye(3)[None], 4, axis=0)
    share = truncations(centers, extents, rotations, CAM2IMG, SIZE)
    np.testing.assert_allclose(share, [0, 0.5, 1, 1], atol=1e-9)
    assert truncations(centers[:0], extents[:0], rotations[:0], CAM2IMG, SIZE).shape == (0,)

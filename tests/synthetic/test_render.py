import cv2
import numpy as np
import pytest

from epropnp_det.synthetic import Spec, scene_world
from epropnp_det.synthetic.content.cameras import CAMERA_NAMES, image_size, make_rig
from epropnp_det.synthetic.content.world import KEYFRAME_INTERVAL
from epropnp_det.synthetic.sensors.frame import observe_frame

FRAME = 1


@pytest.fixture(scope='module')
def world():
    return scene_world(Spec(scenes=2, frames=3), 0)


@pytest.fixture(scope='module')
def observed(world):
    return observe_frame(world, FRAME, (0, 0, FRAME, 1))


def _project(world, camera, actor, factor):
    """Corners `(8, 2)` of an actor's box in samples and their depths, written out independently."""
    length, width, height = actor.shape.size
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 2)]) / 2
    local = signs * (length, width, height)
    c, s = np.cos(actor.yaw), np.sin(actor.yaw)
    points = local @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    points[:, :2] += actor.position(FRAME * KEYFRAME_INTERVAL)
    ego = world.ego_pose(FRAME)
    points[:, :2] = (points[:, :2] - ego.xy) @ ego.rotation
    in_camera = (points - camera.translation) @ camera.rotation
    image = in_camera @ camera.cam2img.T
    return factor * image[:, :2] / image[:, 2:], in_camera[:, 2]


def test_masks_lie_in_the_projected_boxes_and_fill_them(world, observed):
    overlaps, checked = [], 0
    for camera, rendering in zip(world.rig, observed[0]):
        height, width = rendering.instances.shape
        for index in np.flatnonzero(rendering.visible):
            corners, depth = _project(world, camera, world.actors[index], width / camera.size[0])
            if depth.min() < 0.5:
                continue
            rows, cols = np.nonzero(rendering.instances == index)
            hull = cv2.convexHull(corners.astype(np.float32))
            inside = [
                cv2.pointPolygonTest(hull, (float(u) + 0.5, float(v) + 0.5), True)
                for u, v in zip(cols, rows)
            ]
            assert min(inside) > -0.05  # sample centres, so no tolerance but rounding
            checked += 1
            low, high = corners.min(0), corners.max(0)
            whole = (low > 0).all() and (high < (width, height)).all()
            if whole and rendering.visible[index] == rendering.covered[index] > 400:
                extent = np.array([cols.max() + 1 - cols.min(), rows.max() + 1 - rows.min()])
                overlaps.append(extent.prod() / (high - low).prod())
    assert checked > 50 and len(overlaps) > 10
    assert np.mean(overlaps) > 0.8 and min(overlaps) > 0.5


def test_visible_never_exceeds_covered_and_levels_follow_the_fraction(observed):
    observation = observed[2]
    assert (observation.visible <= observation.covered).all()
    fraction = observation.visible / np.maximum(observation.covered, 1)
    levels = np.array([observation.visibility_level(k) for k in range(len(fraction))])
    for level, (low, high) in enumerate([(0, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)], 1):
        chosen = fraction[levels == level]
        assert len(chosen) and (chosen <= high).all()
        assert (chosen > low).all() or level == 1


def test_images_are_lively(observed):
    for rendering in observed[0]:
        assert rendering.image.shape == (225, 400, 3) and rendering.image.dtype == np.uint8
        assert rendering.image.std() > 20
        assert len(np.unique(rendering.image.reshape(-1, 3) // 16, axis=0)) > 100


def test_the_sky_is_above_and_blue(world, observed):
    front = observed[0][CAMERA_NAMES.index('CAM_FRONT')]
    empty = np.ones_like(front.image[..., 0], bool)
    empty &= cv2.resize((front.instances >= 0).astype(np.uint8), (400, 225)) == 0
    top = front.image[:15][empty[:15]].astype(float).mean(0)
    bottom = front.image[-15:][empty[-15:]].astype(float).mean(0)
    assert top[2] >= top[0] and top.mean() > bottom.mean()


def test_scale_multiplies_the_intrinsics_and_nothing_else():
    full, small = (make_rig(scale, np.random.default_rng(3)) for scale in (1.0, 0.25))
    for a, b in zip(full, small):
        assert a.size == (1600, 900) and b.size == (400, 225)
        np.testing.assert_allclose(b.cam2img[:2], 0.25 * a.cam2img[:2])
        np.testing.assert_array_equal(b.cam2img[2], [0, 0, 1])
        np.testing.assert_array_equal(a.rotation, b.rotation)
        np.testing.assert_array_equal(a.translation, b.translation)
        np.testing.assert_allclose(a.rotation.T @ a.rotation, np.eye(3), atol=1e-12)
        assert np.linalg.det(a.rotation) == pytest.approx(1)


@pytest.mark.parametrize('scale', [0.0, -1.0, 0.2501, 1 / 3])
def test_a_scale_without_whole_pixels_is_refused(scale):
    with pytest.raises(ValueError, match='whole pixels'):
        image_size(scale)


def test_lidar_sees_ground_and_objects(world, observed):
    points, observation = observed[1], observed[2]
    assert points.dtype == np.float32 and points.shape[1] == 5
    assert set(np.unique(points[:, 4])) <= set(range(32))
    ground = np.abs(points[:, 2] + 1.84) < 0.05
    assert 0.3 < ground.mean() < 0.95
    assert observation.num_lidar_pts.sum() > 300
    # What no ray can reach is not seen by the cameras either, as both sit on the same vehicle.
    assert observation.num_lidar_pts[observation.covered == 0].sum() < 50

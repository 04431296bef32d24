import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epropnp_det.boxes.arrays import box_corners, project, rotations
from epropnp_det.visualization import geometry

CAM2IMG = np.array([[1266.4, 0.0, 816.3], [0.0, 1266.4, 491.5], [0.0, 0.0, 1.0]])


def random_boxes(seed, count, low=(-15, -2, -3), high=(15, 2, 50)):
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [
            rng.uniform(0.3, 8, (count, 3)),
            rng.uniform(low, high, (count, 3)),
            rng.uniform(-np.pi, np.pi, (count, 1)),
        ],
        axis=1,
    )


def test_projection_of_cut_segment_ends_on_the_near_plane():
    segment = np.array([[0.0, 0.0, 5.0], [1.0, 0.0, -5.0]])
    points, visible = geometry.project_segments(segment, CAM2IMG, near=0.5)
    expected = project(np.array([[0, 0, 5.0], [0.45, 0, 0.5]]), CAM2IMG)
    assert visible
    np.testing.assert_allclose(points, expected)
    swapped = geometry.project_segments(segment[::-1], CAM2IMG, near=0.5).points
    np.testing.assert_allclose(swapped[::-1], expected)


def test_segments_behind_the_camera_are_invisible_and_finite():
    segment = np.array([[[0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]])
    points, visible = geometry.project_segments(segment, CAM2IMG)
    assert not visible.any()
    assert np.isfinite(points).all()


@settings(max_examples=60)
@given(st.integers(0, 2**31))
def test_2d_boxes_bound_the_cut_solid_tightly(seed):
    """Against a dense sampling of the six faces, cut by brute force (docs/differences.md W6)."""
    boxes = random_boxes(seed, 4, low=(-4, -2, -2), high=(4, 2, 8))
    grid = np.linspace(-1, 1, 41)
    surface = np.array([[a, b, c] for a in grid for b in grid for c in (-1, 1)])
    signs = np.concatenate([surface, surface[:, [0, 2, 1]], surface[:, [2, 0, 1]]])
    bboxes, visible = geometry.project_boxes_2d(boxes, CAM2IMG, near=0.5)
    for box, bbox, shown in zip(boxes, bboxes, visible):
        rotation = rotations(box[6:])[0]
        points = signs * box[:3] / 2 @ rotation.T + box[3:6]
        points = points[points[:, 2] >= 0.5]
        if len(points) == 0:
            continue
        assert shown
        pixels = project(points, CAM2IMG)
        slack = 1e-6
        assert (pixels.min(axis=0) >= bbox[:2] - slack).all()
        assert (pixels.max(axis=0) <= bbox[2:] + slack).all()


def test_2d_box_of_cut_box_is_tight():
    box = np.array([[4.0, 1.5, 2.0, 0.0, 1.0, 0.0, -np.pi / 2]])  # the camera stands in it
    (bbox,), (visible,) = geometry.project_boxes_2d(box, CAM2IMG, near=1.0)
    assert visible
    expected = project(np.array([[-1, 0.25, 1.0], [1, 1.75, 1.0]]), CAM2IMG)
    # the upper border comes from the far face, the others from the near plane
    expected[0, 1] = project(np.array([0, 0.25, 2.0]), CAM2IMG)[1]
    np.testing.assert_allclose(bbox, expected.ravel())


@settings(max_examples=30)
@given(st.integers(0, 2**31))
def test_2d_boxes_do_not_depend_on_the_heading_of_the_same_solid(seed):
    boxes = random_boxes(seed, 8, low=(-4, -2, -2), high=(4, 2, 8))
    turned = boxes.copy()
    turned[:, 6] += np.pi
    for got, want in zip(
        geometry.project_boxes_2d(turned, CAM2IMG), geometry.project_boxes_2d(boxes, CAM2IMG)
    ):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_visible_edges_of_a_box_seen_straight_on_and_from_above():
    box = np.array([[4.0, 1.5, 2.0, 0.0, 0.0, 20.0, -np.pi / 2]])  # only its rear shows
    assert geometry.visible_edges(box)[0].tolist() == [False] * 4 + [True] * 4 + [False] * 4
    box[0, 4] = 3.0  # below the camera: roof and rear show, the bottom front edge does not
    shown = geometry.visible_edges(box)[0]
    assert shown[2] and not shown[0]
    assert shown.sum() == 7


@settings(max_examples=60)
@given(st.integers(0, 2**31))
def test_clip_to_canvas_keeps_the_inside_part(seed):
    rng = np.random.default_rng(seed)
    segments = rng.uniform(-100, 200, (6, 2, 2))
    points, visible = geometry.clip_to_canvas(segments, 100, 60)
    steps = np.linspace(0, 1, 401)[:, None]
    for segment, cut, shown in zip(segments, points, visible):
        dense = segment[0] + steps * (segment[1] - segment[0])
        inside = ((dense >= 0) & (dense <= [100, 60])).all(axis=1)
        if shown:
            assert (cut >= -1e-9).all() and (cut <= np.array([100, 60]) + 1e-9).all()
        if inside.any():
            assert shown
            step = np.linalg.norm(segment[1] - segment[0]) / 400
            assert np.linalg.norm(cut[0] - dense[inside][0]) <= step + 1e-9
            assert np.linalg.norm(cut[1] - dense[inside][-1]) <= step + 1e-9


def test_clip_polygon():
    square = np.array([[0, 0, -1.0], [0, 0, 1], [1, 0, 1], [1, 0, -1]])
    cut = geometry.clip_polygon(square, near=0.5)
    assert len(cut) == 4
    assert cut[:, 2].min() == pytest.approx(0.5)
    assert len(geometry.clip_polygon(square - [0, 0, 5])) == 0


def test_zero_boxes():
    assert box_corners(np.zeros((0, 7))).shape == (0, 8, 3)
    bboxes, visible = geometry.project_boxes_2d([], CAM2IMG, (1600, 900))
    assert bboxes.shape == (0, 4) and visible.shape == (0,)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r'boxes must be \(n, 7\)'):
        box_corners(np.zeros((2, 9)))
    with pytest.raises(ValueError, match='focal'):
        geometry.as_cam2img(np.zeros((3, 3)))
    with pytest.raises(ValueError, match='shape'):
        geometry.as_cam2img(np.eye(2))


def test_real_boxes_project_onto_their_annotated_2d_boxes(keyframe_root):
    """The stock json holds the clipped hull of the projected corners of each real box."""
    content = json.loads((keyframe_root / 'nuscenes_infos_mono3d.coco.json').read_text())
    cameras = {image['id']: image for image in content['images']}
    whole = 0
    for annotation in content['annotations']:
        image = cameras[annotation['image_id']]
        box = np.array(annotation['bbox_cam3d'])[[3, 4, 5, 0, 1, 2, 6]]
        size = np.array([image['width'], image['height']])
        cam2img = np.array(image['cam_intrinsic'])
        (bbox,), (visible,) = geometry.project_boxes_2d(box[None], cam2img, tuple(size))
        x, y, width, height = annotation['bbox']
        # The json's 3D box drops pitch and roll of the annotation: a few pixels on large objects.
        tolerance = 2 + 0.03 * max(width, height)
        difference = bbox - [x, y, x + width, y + height]
        assert visible
        assert (difference[:2] < tolerance).all() and (difference[2:] > -tolerance).all()
        if (bbox[:2] > 0).all() and (bbox[2:] < size).all():
            # At the image border the hull cut by the image is smaller than the cut extremes.
            assert np.abs(difference).max() < tolerance
            whole += 1
    assert whole > 60

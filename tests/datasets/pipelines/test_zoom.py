"""Windows keep pixels, boxes and intrinsics in step, whatever was drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epropnp_det.datasets.pipelines import FlipMono3D, ResizeMono3D, ZoomMono3D
from epropnp_det.datasets.pipelines.geometry import transform_points

WIDTH, HEIGHT = 320, 200


def sample(num=5, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.uniform([20, 20], [WIDTH - 20, HEIGHT - 20], (num, 2))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    image = np.stack([x, y, x + y], -1).astype(np.float32)  # a pixel says where it is
    return {
        'img': image,
        'img2net': np.eye(3, dtype=np.float32),
        'cam2img': np.diag([300.0, 300.0, 1.0]),
        'gt_bboxes': np.concatenate([centers - 10, centers + 10], 1).astype(np.float32),
        'gt_bboxes_ignore': np.zeros((0, 4), np.float32),
        'gt_labels': np.arange(num) % 3,
        'centers2d': centers.astype(np.float32),
    }


@settings(max_examples=40)
@given(
    st.integers(0, 10**6),
    st.floats(0.3, 4.0),
    st.tuples(st.integers(32, 400), st.integers(32, 260)),
    st.floats(0, 1),
)
def test_the_matrix_says_where_every_pixel_came_from(seed, zoom, size, focus):
    before = sample(seed=seed)
    step = ZoomMono3D(size, (zoom, zoom), focus, rng=np.random.default_rng(seed))
    after = step(before)
    assert after['img'].shape[:2] == size[::-1]
    inverse = np.linalg.inv(after['img2net'].astype(float))
    points = np.array(size) * np.random.default_rng(seed).uniform(0.2, 0.8, (8, 2))
    source = transform_points(points, inverse)
    assert (source >= 0).all() and (source <= [WIDTH, HEIGHT]).all()
    cells = np.floor(points).astype(int)
    expected = transform_points(cells + 0.5, inverse)
    # Up to a source pixel of interpolation.
    assert np.abs(after['img'][cells[:, 1], cells[:, 0], :2] - expected).max() < 1.01
    np.testing.assert_array_equal(after['cam2img'], before['cam2img'])
    moved = transform_points(before['centers2d'], after['img2net'])
    for center, label in zip(after['centers2d'], after['gt_labels']):
        at = np.abs(moved - center).sum(1).argmin()
        assert np.abs(moved[at] - center).max() < 1e-2 and before['gt_labels'][at] == label
    sides = after['gt_bboxes'].reshape(-1, 2, 2)
    assert (sides >= 0).all() and (sides <= np.array(size)).all()


def test_focus_shows_an_object_and_follows_the_class_weights():
    before = sample(num=6)
    shown = []
    step = ZoomMono3D((64, 64), (2, 2), 1.0, (0, 1, 0), rng=np.random.default_rng(0))
    for _ in range(30):
        shown += step(before)['gt_labels'].tolist()
    assert shown.count(1) >= 30  # the one that each window was drawn around is in it


def test_a_window_larger_than_the_image_is_enlarged():
    after = ZoomMono3D((640, 320), (0.1, 0.1), rng=np.random.default_rng(0))(sample())
    assert after['img2net'][0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize('bad', [dict(size=(0, 4)), dict(size=(4, 4), zoom=(2, 1)),
                                 dict(size=(4, 4), focus=1.5)])  # fmt: skip
def test_bad_options_are_refused(bad):
    with pytest.raises(ValueError):
        ZoomMono3D(**bad)


@settings(max_examples=20)
@given(st.floats(150, 900), st.booleans(), st.integers(0, 10**6))
def test_windows_have_the_focal_length_that_was_asked_for(focal, flipped, seed):
    """Whatever the camera and what was done to its image before."""
    before = sample(seed=seed)
    before['cam2img'] = np.diag([focal, focal, 1.0])
    before = ResizeMono3D(scale=0.9)(before)
    if flipped:
        before = FlipMono3D(1.0)(before)
    step = ZoomMono3D((64, 48), focal=(300, 800), rng=np.random.default_rng(seed))
    after = step(before)
    found = abs(after['img2net'][0, 0]) * focal
    assert 300 * 0.97 < found < 800 * 1.03  # windows end at whole pixels


def test_zoom_and_focal_exclude_each_other():
    with pytest.raises(ValueError, match='zoom or focal'):
        ZoomMono3D((64, 48), zoom=(1, 2), focal=(300, 800))

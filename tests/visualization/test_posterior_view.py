import numpy as np
import pytest

from epropnp_det.visualization import draw_bev, draw_bev_density, draw_orientation_density
from epropnp_det.visualization.bev_view import camera_bev
from epropnp_det.visualization.posterior_view import (
    REGIONS,
    YAW_BINS,
    position_density,
    sample_shares,
    yaw_density,
)

GREY = 250


def cloud(center, spread, count=400, seed=0):
    noise = np.random.default_rng(seed).normal(size=(count, 4))
    return np.asarray(center) + noise * np.asarray(spread)


def test_density_lies_where_the_samples_lie():
    samples = cloud([5.0, 1, 20, 0], [0.5, 0.1, 1.0, 0.1])[None]
    plain = draw_bev_density(samples[:0], np.zeros((0, 400)), [], size=(300, 300))
    picture = draw_bev_density(samples, np.zeros((1, 400)), [0], size=(300, 300))
    rows, columns = np.nonzero((picture != plain).any(axis=2))
    expected = camera_bev((300, 300), 60.0).to_pixels(np.array([5.0, 20.0]))
    darkness = np.abs(picture.astype(float) - plain).sum(axis=2)[rows, columns]
    middle = np.average(np.stack([columns, rows], axis=1) + 0.5, axis=0, weights=darkness)
    np.testing.assert_allclose(middle, expected, atol=1.0)


def test_samples_without_weight_leave_no_trace():
    samples = np.concatenate(
        [cloud([5.0, 1, 20, 0], [0.2] * 4), cloud([-9.0, 1, 40, 0], [0.2] * 4)]
    )
    log_weights = np.concatenate([np.zeros(400), np.full(400, -np.inf)])
    both = draw_bev_density(samples[None], log_weights[None], [0], size=(300, 300))
    one = draw_bev_density(samples[None, :400], log_weights[None, :400], [0], size=(300, 300))
    np.testing.assert_array_equal(both, one)


def test_a_doubtful_object_is_fainter():
    samples = cloud([0.0, 1, 20, 0], [0.5, 0.1, 2.0, 0.1])[None]
    sure, doubtful = (
        draw_bev_density(samples, np.zeros((1, 400)), [0], [score], size=(300, 300)).astype(int)
        for score in (0.9, 0.1)
    )
    assert sure.sum() < doubtful.sum()


def test_regions_hold_their_share_of_the_samples():
    canvas = camera_bev((600, 600), 40.0)
    noise = np.random.default_rng(1).normal(size=(3000, 2)) @ [[1.5, 0], [1.0, 0.4]]
    pixels = canvas.to_pixels(np.array([3.0, 20.0]) + noise)
    density = position_density(pixels, np.full(3000, 1 / 3000), canvas)
    columns, rows = np.floor(pixels - [density.left, density.top]).astype(int).T
    held = [(density.values[rows, columns] >= level).mean() for level in density.levels]
    np.testing.assert_allclose(held, REGIONS, atol=0.03)


def test_regions_are_outlined():
    samples = cloud([0.0, 1, 20, 0], [2.0, 0.1, 2.0, 0.1])[None]
    picture = draw_bev_density(samples, np.zeros((1, 400)), [0], size=(600, 600)).astype(float)
    plain = draw_bev_density(samples[:0], np.zeros((0, 400)), [], size=(600, 600))
    across = np.abs(picture - plain).sum(axis=2)[round(582 - 20 * 0.94 * 10)]
    on_line = across > 0.9 * across.max()
    assert (np.diff(on_line.astype(int)) == 1).sum() == 4  # left and right of both regions


def test_boxes_go_on_top_of_a_density():
    samples = cloud([0.0, 1, 20, 0], [0.5, 0.1, 2.0, 0.1])[None]
    density = draw_bev_density(samples, np.zeros((1, 400)), [0], size=(300, 300))
    before = density.copy()
    box = np.array([[4.0, 1.5, 2.0, 0, 1, 20, -1.5]])
    assert draw_bev(box, [0], [0.9], out=density) is density
    assert (density != before).any()
    assert (density == before).mean() > 0.9  # nothing was wiped


def test_positions_that_are_not_finite_or_outside_are_left_out():
    samples = cloud([0.0, 1, 20, 0], [0.2] * 4)[None].copy()
    samples[0, :10, 0] = np.nan
    samples[0, 10:20, 2] = 1e9
    draw_bev_density(samples, np.zeros((1, 400)), [0], size=(200, 200))


def test_an_object_beyond_the_picture_leaves_no_trace():
    samples = cloud([0.0, 1, 90, 0], [0.2] * 4)[None]
    options = dict(max_range=20.0, size=(200, 200))
    plain = draw_bev_density(samples[:0], np.zeros((0, 400)), [], **options)
    assert (draw_bev_density(samples, np.zeros((1, 400)), [0], **options) == plain).all()


@pytest.mark.parametrize('dead', [np.nan, -np.inf])
def test_weights_that_say_nothing_are_zero(dead):
    shares = sample_shares(np.array([[0.0, dead, 0.0], [dead, dead, dead]]))
    np.testing.assert_allclose(shares, [[0.5, 0, 0.5], [0, 0, 0]])
    assert sample_shares(np.zeros((0, 5))).shape == (0, 5)


def test_yaw_density_integrates_to_one_and_shows_both_modes():
    yaw = np.concatenate([np.full(300, 0.5), np.full(100, 0.5 - np.pi)])
    density = yaw_density(yaw, np.full(400, 1 / 400))
    assert density.sum() * 2 * np.pi / YAW_BINS == pytest.approx(1)
    first, second = (
        int(angle % (2 * np.pi) / (2 * np.pi) * YAW_BINS) for angle in (0.5, 0.5 - np.pi)
    )
    assert density[first] == pytest.approx(3 * density[second])


def test_a_heading_away_from_the_camera_points_up():
    yaw = np.full(50, -np.pi / 2)
    picture = draw_orientation_density(yaw, np.zeros(50), label=0)
    reference = draw_orientation_density(np.zeros(0), np.zeros(0), label=0)
    rows, _ = np.nonzero((picture != reference).any(axis=2))
    assert rows.max() <= 121 and rows.min() < 25


def test_truth_and_solution_are_marked():
    plain = draw_orientation_density(np.zeros(9), np.zeros(9))
    marked = draw_orientation_density(np.zeros(9), np.zeros(9), solved=1.0, truth=2.0, title='car')
    assert (plain != marked).any()


def test_the_title_of_a_rose_is_large_and_fits():
    plain, named, long = (
        draw_orientation_density(np.zeros(9), np.zeros(9), title=title, size=300)
        for title in ('', 'car', 'construction vehicle 0.87, 13 m')
    )
    rows, columns = np.nonzero((named != plain).any(axis=2))
    assert np.ptp(rows) > 8 and rows.min() > 260 and np.ptp(columns) < 100
    _, columns = np.nonzero((long != plain).any(axis=2))
    assert np.ptp(columns) > 200 and columns.min() > 2 and columns.max() < 297

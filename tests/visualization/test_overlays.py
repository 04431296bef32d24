import numpy as np
import pytest

from epropnp_det.visualization import (
    CameraView,
    Objects,
    class_color,
    draw_bev,
    draw_bev_density,
    draw_boxes_2d,
    draw_boxes_3d,
    draw_depth_map,
    draw_legend,
    draw_orientation_density,
    draw_points,
    draw_score_map,
    draw_surround_bev,
    titled,
)

CAM2IMG = np.array([[400.0, 0.0, 320.0], [0.0, 400.0, 180.0], [0.0, 0.0, 1.0]])
CAR = np.array([[4.0, 1.5, 2.0, 5.0, 1.0, 20.0, -np.pi / 2]])
FOUND = Objects(CAR, np.array([0]), np.array([0.5]))
SAMPLES = CAR[:, None, 3:] + np.linspace(-1, 1, 50)[:, None]


def blank():
    return np.full((360, 640, 3), 40, dtype=np.uint8)


def changed(picture):
    return (picture != 40).any(axis=2)


def test_2d_box_is_drawn_where_it_is_said_to_be():
    bbox = np.array([[100.0, 50, 200, 90]])
    picture = draw_boxes_2d(blank(), bbox, [0], [0.5], thickness=1, show_labels=False)
    rows, columns = np.nonzero(changed(picture))
    assert abs(columns.min() - 100) <= 1 and abs(columns.max() - 200) <= 1
    assert abs(rows.min() - 50) <= 1 and abs(rows.max() - 90) <= 1
    assert not changed(picture)[60:80, 110:190].any()


def test_the_best_2d_box_is_on_top():
    bboxes = np.array([[100.0, 50, 200, 90], [100.0, 50, 200, 90]])
    picture = draw_boxes_2d(blank(), bboxes, [0, 7], [0.2, 0.9], show_labels=False)
    line = picture[60:80, 99:102].astype(int).max(axis=(0, 1))
    to_best, to_other = (np.abs(line - class_color(label)).sum() for label in (7, 0))
    assert to_best < to_other


@pytest.mark.parametrize('color_by', ['object', 'head', 'weight', 'axis'])
def test_a_point_is_drawn_at_its_pixel(color_by):
    x2d, w2d = np.array([[[100.5, 80.5]]]), np.ones((1, 1, 2))
    picture = draw_points(blank(), x2d, w2d, [0], color_by=color_by, num_heads=1, radius=2.0)
    rows, columns = np.nonzero(changed(picture))
    assert (columns.mean(), rows.mean()) == pytest.approx((100, 80))


def test_heavy_points_are_larger_and_more_opaque():
    x2d = np.array([[[100.5, 80.5], [300.5, 80.5]]])
    picture = draw_points(blank(), x2d, np.array([[[1.8, 1.8], [0.2, 0.2]]]), [0])
    heavy, light = changed(picture)[:, :200].sum(), changed(picture)[:, 200:].sum()
    assert heavy > light > 0


def test_points_that_pin_one_axis_differ_in_colour():
    x2d = np.array([[[100.5, 80.5], [300.5, 80.5]]])
    w2d = np.array([[[2.0, 0.0], [0.0, 2.0]]])
    picture = draw_points(blank(), x2d, w2d, color_by='axis').astype(int)
    blue, yellow = picture[80, 100], picture[80, 300]
    assert blue[0] > blue[2] and yellow[2] > yellow[0]


def test_near_objects_points_are_on_top():
    x2d, w2d = np.tile([[[100.5, 80.5]]], (2, 1, 1)), np.full((2, 1, 2), 10.0)
    first = draw_points(blank(), x2d, w2d, [0, 7], depths=[5.0, 50.0])
    second = draw_points(blank(), x2d[::-1], w2d, [7, 0], depths=[50.0, 5.0])
    np.testing.assert_array_equal(first, second)
    assert np.abs(first[80, 100].astype(int) - class_color(0)).max() < 60


def test_points_that_are_not_finite_are_left_out():
    picture = draw_points(blank(), np.full((1, 3, 2), np.nan), np.ones((1, 3, 2)))
    np.testing.assert_array_equal(picture, blank())


def test_score_lands_on_the_pixels_of_its_cell():
    """A flipped and cropped network canvas: the map goes back to the image's own pixels."""
    scores = np.zeros((4, 8))
    scores[1, 2] = 1.0
    cell2img = np.array([[-40.0, 0, 600], [0, 40, 100], [0, 0, 1]])
    picture = draw_score_map(blank(), scores, cell2img).astype(int)
    center = cell2img @ [2.5, 1.5, 1]
    reference = draw_score_map(blank(), np.zeros((4, 8)), cell2img).astype(int)
    rows, columns = np.nonzero(np.abs(picture - reference).sum(axis=2) > 0)
    weights = np.abs(picture - reference).sum(axis=2)[rows, columns]
    middle = np.average(np.stack([columns, rows], axis=1) + 0.5, axis=0, weights=weights)
    np.testing.assert_allclose(middle, center[:2], atol=1.5)
    assert not changed(picture)[:90, 200:].any()  # above the map the image is as it was


def test_near_depths_are_brighter_and_unknown_ones_transparent():
    depth = np.tile([4.0, 8.0, 40.0, np.nan], (4, 1))
    picture = draw_depth_map(blank(), depth, np.diag([160.0, 90.0, 1.0])).astype(int)
    columns = [picture[100, x].sum() for x in (60, 240, 400)]
    assert columns[0] > columns[1] > columns[2]
    np.testing.assert_array_equal(picture[100, 620], [40] * 3)


def test_legend_shows_the_classes_asked_for():
    few = draw_legend(blank(), ['car', 'truck', 'bus'], [1])
    all_three = draw_legend(blank(), ['car', 'truck', 'bus'], ground_truth=True)
    assert changed(few).sum() < changed(all_three).sum()
    assert (all_three == class_color(0)).all(axis=2).any()
    assert not (few == class_color(0)).all(axis=2).any()
    np.testing.assert_array_equal(draw_legend(blank(), ['car'], []), blank())
    draw_legend(blank()[:12], ['car', 'truck'])


def test_a_legend_grows_with_the_picture():
    small, large = (
        draw_legend(np.full((height, 1600, 3), 40, np.uint8), ['car']) for height in (480, 1200)
    )
    assert changed(large).sum() > 3 * changed(small).sum()


def test_a_title_stands_above_the_picture():
    picture = blank()
    higher = titled(picture, 'boxes')
    np.testing.assert_array_equal(higher[-360:], picture)
    strip = higher[:-360]
    assert 20 < len(strip) < 60 and strip.min() < 40 and strip.max() > 200
    assert np.ptp(titled(picture, '')[:-360]) == 0


def views(out):
    """Each view that draws over an image or canvas, called with ``out``."""
    x2d, w2d = np.full((1, 2, 2), 50.0), np.ones((1, 2, 2))
    return {
        'boxes_3d': lambda: draw_boxes_3d(blank(), CAR, [0], [0.5], CAM2IMG, out=out),
        'boxes_2d': lambda: draw_boxes_2d(blank(), [[10, 10, 60, 60]], [0], [0.5], out=out),
        'points': lambda: draw_points(blank(), x2d, w2d, out=out),
        'scores': lambda: draw_score_map(blank(), np.ones((2, 2)), np.diag([50, 50, 1]), out=out),
        'depth': lambda: draw_depth_map(blank(), np.ones((2, 2)), np.diag([50, 50, 1]), out=out),
        'legend': lambda: draw_legend(blank(), ['car'], out=out),
        'bev': lambda: draw_bev(CAR, [0], [0.5], out=out),
        'orientation': lambda: draw_orientation_density(np.zeros(3), np.zeros(3), out=out),
        'density': lambda: draw_bev_density(SAMPLES, np.zeros((1, 50)), [0], out=out),
        'surround': lambda: draw_surround_bev([CameraView(blank(), CAM2IMG, FOUND)], out=out),
    }


@pytest.mark.parametrize('name', views(None))
def test_every_view_draws_into_the_canvas_it_is_given(name):
    canvas = blank()
    assert views(canvas)[name]() is canvas
    assert 0 < changed(canvas).mean() < 1


@pytest.mark.parametrize('name', views(None))
@pytest.mark.parametrize(
    'canvas',
    [
        np.zeros((360, 640, 3)),
        np.zeros((360, 640), np.uint8),
        np.zeros((720, 1280, 3), np.uint8)[::2, ::2],
    ],
    ids=['float', 'grey', 'strided'],
)
def test_a_canvas_that_cannot_be_drawn_into_is_named(name, canvas):
    with pytest.raises(ValueError, match='out must be'):
        views(canvas)[name]()


def test_nothing_to_draw():
    np.testing.assert_array_equal(
        draw_points(blank(), np.zeros((0, 4, 2)), np.zeros((0, 4, 2))), blank()
    )
    np.testing.assert_array_equal(draw_boxes_2d(blank(), [], []), blank())


def test_mismatches_are_named():
    with pytest.raises(ValueError, match='one shape'):
        draw_points(blank(), np.zeros((1, 3, 2)), np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match='color_by'):
        draw_points(blank(), np.zeros((1, 3, 2)), np.ones((1, 3, 2)), color_by='mood')
    with pytest.raises(ValueError, match='out has shape'):
        draw_boxes_3d(blank(), CAR, [0], None, CAM2IMG, out=blank()[:100])
    with pytest.raises(ValueError, match='as many labels'):
        draw_boxes_2d(blank(), [[0, 0, 9, 9]], [])

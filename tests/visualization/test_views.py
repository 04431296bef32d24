import numpy as np
import pytest

from epropnp_det.visualization import (
    GROUND_TRUTH_COLOR,
    CameraView,
    Objects,
    class_color,
    draw_bev,
    draw_boxes_3d,
    draw_panel,
    draw_side_by_side,
    draw_surround_bev,
    enlarged,
    legend_strip,
)
from epropnp_det.visualization.bev_view import BACKGROUND

CAM2IMG = np.array([[400.0, 0.0, 320.0], [0.0, 400.0, 180.0], [0.0, 0.0, 1.0]])
CLASSES = ('car', 'pedestrian', 'traffic_cone')
# A camera that looks along ego +x.
CAM2EGO = np.array([[0.0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
CAR = np.array([4.0, 1.5, 2.0, 5.0, 1.0, 20.0, -np.pi / 2])


def blank():
    return np.full((360, 640, 3), 40, dtype=np.uint8)


def changed(picture, reference):
    return (picture != reference).any(axis=2)


def view(boxes, truth=None, name='CAM_FRONT', cam2ego=CAM2EGO):
    boxes = np.reshape(boxes, (-1, 7))
    found = Objects(boxes, np.zeros(len(boxes), int), np.full(len(boxes), 0.5))
    return CameraView(blank(), CAM2IMG, found, cam2ego, truth, name)


def test_box_is_drawn_where_it_projects():
    picture = draw_boxes_3d(
        blank(), CAR[None], [0], [0.9], CAM2IMG, CLASSES, thickness=1, show_labels=False
    )
    rows, columns = np.nonzero(changed(picture, blank()))
    # within half a line and its casing
    # rear face at z = 18: x in [4, 6], y in [0.25, 1.75]; front face at z = 22
    assert abs(columns.min() - (320 + 400 * 4 / 22)) < 4
    assert abs(columns.max() - (320 + 400 * 6 / 18)) < 4
    assert abs(rows.min() - (180 + 400 * 0.25 / 22)) < 4
    assert abs(rows.max() - (180 + 400 * 1.75 / 18)) < 4


def test_drawing_uses_edge_based_pixels():
    """Shifting the principal point by whole pixels shifts the picture by exactly these pixels."""
    first = draw_boxes_3d(blank(), CAR[None], [0], None, CAM2IMG, show_labels=False)
    moved = CAM2IMG + np.array([[0, 0, 7.0], [0, 0, 3], [0, 0, 0]])
    second = draw_boxes_3d(blank(), CAR[None], [0], None, moved, show_labels=False)
    np.testing.assert_array_equal(first[:-3, :-7], second[3:, 7:])


def test_inputs_stay_as_they_are_and_results_repeat():
    image, boxes = blank(), CAR[None].copy()
    first = draw_boxes_3d(image, boxes, [0], [0.9], CAM2IMG, CLASSES)
    second = draw_boxes_3d(image, boxes, [0], [0.9], CAM2IMG, CLASSES)
    np.testing.assert_array_equal(image, blank())
    np.testing.assert_array_equal(boxes, CAR[None])
    np.testing.assert_array_equal(first, second)
    assert changed(first, image).any()


def test_near_objects_cover_far_ones_whatever_the_order():
    near = np.array([4.0, 1.5, 2.0, 0.0, 0.0, 10.0, -np.pi / 2])
    far = np.array([8.0, 3.0, 4.0, 0.0, 0.0, 20.0, -np.pi / 2])
    first = draw_boxes_3d(blank(), np.stack([near, far]), [0, 1], None, CAM2IMG, show_labels=False)
    second = draw_boxes_3d(blank(), np.stack([far, near]), [1, 0], None, CAM2IMG, show_labels=False)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    'box',
    [
        [4.0, 1.5, 2.0, 0.0, 0.5, 0.0, 0.3],  # around the camera
        [4.0, 1.5, 2.0, 1.0, 0.5, 1.5, 0.3],  # through the near plane
        [1e6, 1e6, 1e6, 0.0, 0.0, 1.0, 0.3],
        [4.0, 1.5, 2.0, 1e7, 0.5, 1.0, 0.3],
        [0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0],
    ],
)
def test_awkward_boxes_draw_without_error(box):
    picture = draw_boxes_3d(blank(), [box], [0], [0.5], CAM2IMG, CLASSES)
    assert picture.shape == (360, 640, 3)
    draw_bev([box], [0], [0.5], cam2img=CAM2IMG)


def test_box_behind_the_camera_leaves_the_image_alone():
    behind = CAR * np.array([1, 1, 1, 1, 1, -1, 1])
    np.testing.assert_array_equal(draw_boxes_3d(blank(), [behind], [0], [1], CAM2IMG), blank())


def test_no_boxes():
    np.testing.assert_array_equal(draw_boxes_3d(blank(), [], [], [], CAM2IMG), blank())
    assert draw_bev([], [], [], gt_boxes=[], cam2img=CAM2IMG).shape == (900, 900, 3)
    assert draw_side_by_side(view([])).shape == (360, 1000, 3)


def test_labels_do_not_cover_each_other():
    crowd = np.repeat(CAR[None], 12, axis=0) + np.linspace(0, 0.3, 12)[:, None] * np.eye(7)[3]
    one = draw_boxes_3d(blank(), crowd[:1], [0], [0.9], CAM2IMG, CLASSES)
    many = draw_boxes_3d(blank(), crowd, [0] * 12, [0.9] * 12, CAM2IMG, CLASSES)
    above = slice(0, int(180 + 400 * 0.25 / 22) - 4)  # only labels reach up here
    assert (
        changed(many[above], blank()[above]).sum() < 2.5 * changed(one[above], blank()[above]).sum()
    )


def test_bad_input_is_named():
    with pytest.raises(ValueError, match='uint8'):
        draw_boxes_3d(blank().astype(float), CAR[None], [0], None, CAM2IMG)
    with pytest.raises(ValueError, match='intrinsics'):
        draw_boxes_3d(blank(), CAR[None], [0])
    with pytest.raises(ValueError, match='labels'):
        draw_boxes_3d(blank(), CAR[None], [], None, CAM2IMG)
    with pytest.raises(ValueError, match='at least one camera'):
        draw_panel([])


def test_class_colours_are_fixed_and_distinct():
    colors = [class_color(label) for label in range(40)]
    assert colors == [class_color(label) for label in range(40)]
    assert len(set(colors)) == 40
    assert all(0 <= channel <= 255 for color in colors for channel in color)


def bev_extent(picture, reference):
    rows, columns = np.nonzero(changed(picture, reference))
    return columns.min(), columns.max(), rows.min(), rows.max()


def test_bev_places_the_footprint():
    empty = draw_bev([], [], size=(800, 800), max_range=40)
    picture = draw_bev(CAR[None], [0], size=(800, 800), max_range=40)
    scale = 0.94 * 800 / 40
    left, right, top, bottom = bev_extent(picture, empty)
    assert abs(left - (400 + 4 * scale)) < 4 and abs(right - (400 + 6 * scale)) < 4
    assert abs(top - (776 - 22 * scale)) < 4 and abs(bottom - (776 - 18 * scale)) < 4


def test_bev_triangle_sits_at_the_front():
    color = np.array(class_color(0))
    for yaw, ahead in ((-np.pi / 2, 21.7), (np.pi / 2, 18.3)):
        box = CAR.copy()
        box[6] = yaw
        picture = draw_bev(box[None], [0], size=(800, 800), max_range=40).astype(int)
        scale = 0.94 * 800 / 40
        nose = picture[round(776 - ahead * scale), round(400 + 5 * scale)]
        tail = picture[round(776 - (40 - ahead) * scale), round(400 + 5 * scale)]
        assert np.abs(nose - color).max() < 40
        assert np.abs(tail - color).max() > 60


def test_headingless_classes_have_no_triangle():
    with_heading = draw_bev(CAR[None], [0], class_names=CLASSES)
    without = draw_bev(CAR[None], [2], class_names=CLASSES)
    nose = (round(0.97 * 900 - 21.5 * 0.94 * 15), round(450 + 5 * 0.94 * 15))
    assert np.abs(with_heading[nose].astype(int) - class_color(0)).max() < 40
    assert without[nose].min() > 150


def test_wedge_agrees_with_the_image_borders():
    """A point that projects to the image border lies on the border of the shaded wedge."""
    picture = draw_bev([], [], cam2img=CAM2IMG, image_width=640, size=(800, 800), max_range=40)
    scale = 0.94 * 800 / 40
    ahead = 15.0
    for column, outwards in ((0, -1), (640, 1)):
        right = (column - 320) / 400 * ahead
        row = round(776 - ahead * scale)
        inside = picture[row, round(400 + (right - 0.5 * outwards) * scale)]
        outside = picture[row, round(400 + (right + 0.5 * outwards) * scale)]
        assert inside.max() < 240 and outside.min() == BACKGROUND


def test_surround_view_places_objects_of_every_camera():
    """The same world point seen by a front and by a back camera lands on the same pixel."""
    back = CAM2EGO.copy()
    back[:3, :3] = [[0, 0, -1], [1, 0, 0], [0, -1, 0]]
    back[:3, 3] = [0, 0, 1.5]
    front_box = np.array([1.0, 1, 1, 5, 0, 20, 0])  # ego x 21.5, y -5
    back_box = np.array([1.0, 1, 1, -5, 0, -21.5, 0])
    views = [view([]), view([], name='CAM_BACK', cam2ego=back)]
    empty = draw_surround_bev(views, CLASSES, 40, 800)
    one = draw_surround_bev([view(front_box), views[1]], CLASSES, 40, 800)
    other = draw_surround_bev([views[0], view(back_box, None, 'CAM_BACK', back)], CLASSES, 40, 800)
    first, second = np.array(bev_extent(one, empty)), np.array(bev_extent(other, empty))
    np.testing.assert_allclose(first, second, atol=1)
    assert abs(first[:2].mean() - (400 + 5 * 10)) < 2
    assert abs(first[2:].mean() - (400 - 21.5 * 10)) < 2


def test_ground_truth_is_green():
    truth = Objects(CAR[None], np.array([0]))
    for picture in (
        draw_bev([], [], gt_boxes=CAR[None]),
        draw_surround_bev([view([], truth)], CLASSES),
        draw_side_by_side(view([], truth)),
    ):
        near_green = np.abs(picture.astype(int) - GROUND_TRUTH_COLOR).max(axis=2) < 40
        assert near_green.sum() > 20


def test_panel_has_tiles_for_absent_cameras():
    picture = draw_panel([view(CAR)], tile_width=320)
    assert picture.shape == (360, 3 * 320 + 360, 3)
    assert (picture[:180, :320] == 128).all()


def test_classes_are_explained_below_a_panel():
    plain, explained = draw_panel([view(CAR)]), draw_panel([view(CAR)], CLASSES)
    strip = explained[len(plain) :]
    assert 16 <= len(strip) <= 0.06 * len(plain)
    for label in range(len(CLASSES)):
        assert (strip == class_color(label)).all(axis=2).any()
    narrow = legend_strip(200, 40, CLASSES)
    assert narrow.shape[0] < 40 and narrow.shape[1] == 200


def test_above_keeps_objects_without_scores():
    truth = Objects(CAR[None], np.array([0]))
    assert len(truth.above(0.5).boxes) == 1
    found = Objects(np.stack([CAR, CAR]), np.array([0, 1]), np.array([0.2, 0.7]))
    assert found.above(0.5).labels.tolist() == [1]


def test_enlarged_keeps_boxes_on_their_objects():
    small = view(CAR)
    large = enlarged(small, 1000)
    assert large.image.shape == (1080, 1920, 3)
    picture = draw_boxes_3d(
        large.image, *large.objects, cam2img=large.cam2img, thickness=1, show_labels=False
    )
    rows, columns = np.nonzero(changed(picture, large.image))
    assert abs(columns.min() - 3 * (320 + 400 * 4 / 22)) < 4
    assert abs(rows.max() - 3 * (180 + 400 * 1.75 / 18)) < 4
    assert enlarged(small, 360) is small

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from epropnp_det.datasets.kitti import KittiObjects
from epropnp_det.datasets.kitti.overlaps import box_overlaps, ground_overlaps, image_overlaps

NUMBER = dict(allow_nan=False, allow_infinity=False)
BOX = st.tuples(
    st.floats(-3, 3, **NUMBER),
    st.floats(20, 26, **NUMBER),
    st.floats(0.4, 5, **NUMBER),
    st.floats(0.4, 3, **NUMBER),
    st.floats(-3.2, 3.2, **NUMBER),
)


def objects(rows, height=1.5, bottom=1.7):
    """Of x, z, length, width, yaw."""
    rows = np.array(rows, dtype=float).reshape(-1, 5)
    numbers = np.zeros((len(rows), 15))
    numbers[:, 7:10] = np.stack([np.full(len(rows), height), rows[:, 3], rows[:, 2]], 1)
    numbers[:, 10:13] = np.stack([rows[:, 0], np.full(len(rows), bottom), rows[:, 1]], 1)
    numbers[:, 13] = rows[:, 4]
    return KittiObjects.of_rows(['Car'] * len(rows), numbers)


def corners(x, z, length, width, yaw):
    """Counter-clockwise in the plane of x and z; a heading of yaw points to (cos, -sin)."""
    along = np.array([np.cos(yaw), -np.sin(yaw)]) * length / 2
    across = np.array([np.sin(yaw), np.cos(yaw)]) * width / 2
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return [np.array([x, z]) + a * along + b * across for a, b in signs]


def area(points):
    if len(points) < 3:
        return 0.0
    x, y = np.transpose(points)
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def clipped(points, window):
    """Sutherland-Hodgman: what of a convex polygon lies in another, both counter-clockwise."""
    for start, end in zip(window, window[1:] + window[:1]):
        normal = np.array([start[1] - end[1], end[0] - start[0]])
        sides = [normal @ (point - start) for point in points]
        kept = []
        for i, point in enumerate(points):
            before, side = sides[i - 1], sides[i]
            if before * side < 0:
                kept.append(points[i - 1] + before / (before - side) * (point - points[i - 1]))
            if side >= 0:
                kept.append(point)
        points = kept
    return points


@settings(max_examples=60)
@given(BOX, BOX)
@example((0.0, 20.0, 0.5, 1.0, 2.0), (0.0, 20.0, 0.5, 3.0, 2.0))  # edges that lie on each other
def test_from_above_it_is_what_the_rectangles_share(first, second):
    shared = area(clipped(corners(*first), corners(*second)))
    expected = shared / (first[2] * first[3] + second[2] * second[3] - shared)
    found = ground_overlaps(objects([first]), objects([second]))
    np.testing.assert_allclose(found, [[expected]], atol=1e-6)


def test_many_boxes_at_once_are_as_one_by_one():
    rng = np.random.default_rng(0)
    rows = [
        rng.uniform((-3, 20, 0.4, 0.4, -3.2), (3, 26, 5, 3, 3.2), (count, 5)) for count in (5, 7)
    ]
    together = ground_overlaps(objects(rows[0]), objects(rows[1]))
    for i, j in np.ndindex(5, 7):
        alone = ground_overlaps(objects(rows[0][i]), objects(rows[1][j]))
        np.testing.assert_allclose(together[i, j], alone[0, 0], rtol=1e-12)
    assert (together > 0).any() and (together == 0).any()


def test_in_space_heights_count():
    box = [(1.0, 20.0, 4.0, 2.0, 0.7)]
    low, high = objects(box), objects(box, height=2.0, bottom=1.2)
    # from 0.2 to 1.7 and from -0.8 to 1.2: they share one metre of two and a half
    np.testing.assert_allclose(box_overlaps(low, high), [[1 / 2.5]], atol=1e-4)
    above = objects(box, bottom=0.1)
    assert box_overlaps(low, above) == 0 and ground_overlaps(low, above) > 0.999


def test_nothing_overlaps_nothing():
    some, none = objects([(1.0, 20.0, 4.0, 2.0, 0.7)]), objects([])
    assert box_overlaps(some, none).shape == (1, 0)
    assert ground_overlaps(none, some).shape == (0, 1)
    assert image_overlaps(none.bboxes, some.bboxes).shape == (0, 1)


def test_in_the_image():
    first = np.array([[0.0, 0, 10, 10]])
    second = np.array([[5.0, 0, 15, 10], [20, 20, 30, 30], [2, 2, 4, 4]])
    np.testing.assert_allclose(image_overlaps(first, second), [[1 / 3, 0, 0.04]])
    np.testing.assert_allclose(image_overlaps(second, first, of_first=True)[:, 0], [0.5, 0, 1])

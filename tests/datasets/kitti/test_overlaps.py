import numpy as np
import shapely
import shapely.affinity
from hypothesis import given, settings
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


def polygon(x, z, length, width, yaw):
    """In the plane of x and z; a heading of yaw points to (cos, -sin)."""
    box = shapely.box(-length / 2, -width / 2, length / 2, width / 2)
    return shapely.affinity.translate(
        shapely.affinity.rotate(box, -yaw, origin=(0, 0), use_radians=True), x, z
    )


@settings(max_examples=60, deadline=None)
@given(BOX, BOX)
def test_from_above_it_is_what_the_polygons_share(first, second):
    shapes = polygon(*first), polygon(*second)
    expected = shapes[0].intersection(shapes[1]).area / shapes[0].union(shapes[1]).area
    found = ground_overlaps(objects([first]), objects([second]))
    np.testing.assert_allclose(found, [[expected]], atol=2e-3)


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

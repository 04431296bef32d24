import math

import numpy as np
import pytest

from epropnp_det.apis import counted, match, report
from epropnp_det.apis.matching import yaw_errors
from epropnp_det.visualization import Objects

CLASSES = ('car', 'pedestrian', 'traffic_cone')


def objects(rows, scores=None):
    """Rows of (label, x, z, yaw)."""
    table = np.array(rows, dtype=float).reshape(-1, 4)
    boxes = np.zeros((len(table), 7))
    boxes[:, :3] = 1
    boxes[:, [3, 5, 6]] = table[:, 1:]
    return Objects(boxes, table[:, 0].astype(int), None if scores is None else np.array(scores))


def test_pairs_are_greedy_by_score_and_one_to_one():
    truth = objects([(0, 0, 10, 0), (0, 3, 10, 0)])
    # the best detection takes the nearer object, although the second fits it better
    found = objects([(0, 0.2, 10, 0), (0, 1.0, 10, 0), (0, 0.1, 10, 0)], [0.5, 0.9, 0.4])
    pairs = match(found, truth)
    assert pairs.detections.tolist() == [1]
    assert pairs.ground_truth.tolist() == [0]
    assert pairs.distances.tolist() == [1.0]
    assert match(found, truth, max_distance=3.0).detections.tolist() == [1, 0]


def test_classes_and_distance_must_agree():
    truth = objects([(0, 0, 10, 0)])
    assert len(match(objects([(1, 0, 10, 0)], [1.0]), truth).detections) == 0
    assert len(match(objects([(0, 0, 12.001, 0)], [1.0]), truth).detections) == 0
    assert len(match(objects([(0, 0, 12, 0)], [1.0]), truth).detections) == 1


def test_height_does_not_matter():
    truth, found = objects([(0, 0, 10, 0)]), objects([(0, 0, 10, 0)], [1.0])
    found.boxes[:, 4] = 50
    assert len(match(found, truth).detections) == 1


@pytest.mark.parametrize('rows', [0, 2])
def test_empty_sides(rows):
    some = objects([(0, 0, 10, 0)] * rows, [0.5] * rows)
    none = objects([], [])
    assert len(match(none, some).detections) == 0
    assert len(match(some, none).detections) == 0


def test_what_counts():
    truth = objects([(0, 0, 39, 0), (0, 30, 30, 0), (0, 0, 20, 0), (0, 0, 20, 0)])
    bboxes = np.array([[0, 0, 20, 17], [0, 0, 90, 90], [0, 0, 16, 10], [5, 5, 25, 9.0]])
    assert counted(truth, bboxes).tolist() == [True, False, False, True]
    assert counted(truth, bboxes, both_sides=True).tolist() == [True, False, False, False]
    assert counted(objects([]), np.zeros((0, 4))).shape == (0,)


def test_yaw_errors_wrap():
    np.testing.assert_allclose(
        yaw_errors(np.array([3.1, 0.0, 7.0]), np.array([-3.1, np.pi, 7.0 - 2 * np.pi])),
        [2 * np.pi - 6.2, np.pi, 0],
        atol=1e-12,
    )


def test_report():
    truth = objects([(0, 0, 10, 0), (1, 5, 10, 0), (2, -5, 10, 0), (0, 0, 80, 0)])
    found = objects(
        [(0, 0.5, 10, 0.2), (2, -5, 11, 3.0), (0, 0, 80, 0), (1, 20, 20, 0), (1, 5, 10, 0)],
        [0.9, 0.8, 0.7, 0.6, 0.1],
    )
    keep = np.array([True, True, True, False])
    result = report(
        [(found, truth, keep), (objects([], []), objects([]), np.zeros(0, bool))], CLASSES, 0.3
    )
    assert (result.total, result.found) == (3, 2)
    assert (result.detections, result.true_detections) == (4, 3)
    assert result.recall == pytest.approx(2 / 3)
    assert result.precision == pytest.approx(0.75)
    assert result.distance_error == pytest.approx(0.75)
    assert result.yaw_error == pytest.approx(0.2)  # the cone's heading does not count


def test_report_of_nothing():
    result = report([], CLASSES)
    assert math.isnan(result.recall) and math.isnan(result.precision)
    assert math.isnan(result.distance_error) and math.isnan(result.yaw_error)


def test_each_object_can_have_a_tolerance_of_its_own():
    truth = objects([(0, 0, 10, 0), (0, 0, 40, 0)])
    found = objects([(0, 0, 11.5, 0), (0, 0, 43, 0)], [0.9, 0.8])
    assert match(found, truth, np.array([1.0, 4.0])).ground_truth.tolist() == [1]
    assert match(found, truth, np.array([2.0, 4.0])).ground_truth.tolist() == [0, 1]
    # an object out of reach does not keep a detection from one that is within its own
    near = objects([(0, 0, 10, 0), (0, 1.5, 10, 0)])
    pairs = match(objects([(0, 0.6, 10, 0)], [0.9]), near, np.array([0.5, 1.0]))
    assert pairs.ground_truth.tolist() == [1]

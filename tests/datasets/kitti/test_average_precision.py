"""Hand-made cases whose average precision can be counted, and mmdet3d's own where it runs."""

import math

import numpy as np
import pytest

from epropnp_det.datasets.kitti import KittiObjects, evaluate_class, read_objects
from epropnp_det.datasets.kitti.average_precision import score_thresholds


def car(x=0.0, score=1.0, kind='Car', occluded=0, truncated=0.0, height=60.0, alpha=0.0):
    """A box 20 m ahead, with a 2D box of its own for every x."""
    left = 600 + 30 * x
    bbox = [left, 150.0, left + 25, 150.0 + height]
    return (kind, [truncated, occluded, alpha, *bbox, 1.5, 1.6, 4.0, x, 1.7, 20.0, 0.3, score])


def image(*rows):
    numbers = np.array([row[1] for row in rows], dtype=float).reshape(-1, 15)
    return KittiObjects.of_rows([row[0] for row in rows], numbers)


def score(truth, found, name='Car'):
    """Of 80 such scenes in a row: with fewer labels than recall positions even they score less."""
    return evaluate_class([in_a_row(truth)], [in_a_row(found)], name)


def in_a_row(objects, number=80, step=50.0):
    copies = []
    for index in range(number):
        locations = objects.locations + [step * index, 0, 0]
        bboxes = objects.bboxes + [30 * step * index, 0, 30 * step * index, 0]
        copies.append(objects._replace(locations=locations, bboxes=bboxes))
    return KittiObjects(*(np.concatenate(parts) for parts in zip(*copies)))


def test_the_labels_themselves_score_full_marks():
    truth = image(*(car(8.0 * i) for i in range(5)))
    result = score(truth, truth)
    for metric in ('2d', 'bev', '3d'):
        assert result.precision[metric] == pytest.approx([100.0] * 3)
    assert result.orientation == pytest.approx([100.0] * 3)


def test_no_detection_scores_nothing_and_no_label_has_no_score():
    truth, nothing = image(car()), image()
    assert score(truth, nothing).precision['3d'] == [0.0] * 3
    assert all(math.isnan(v) for v in score(nothing, truth).precision['3d'])


def test_false_alarms_below_and_above_all_hits():
    truth = image(car())
    below = image(car(0.0, 0.5), car(-20.0, 0.1))
    assert score(truth, below).precision['3d'] == pytest.approx([100.0] * 3)
    above = image(car(0.0, 0.5), car(-20.0, 0.9))
    assert score(truth, above).precision['3d'] == pytest.approx([50.0] * 3)


def test_half_of_the_labels_found():
    """Precision one up to a recall of one half, and none beyond."""
    truth = image(car(), car(10.0))
    assert score(truth, image(car())).precision['3d'] == pytest.approx([50.0] * 3)


def test_two_detections_of_one_object_are_one_false_alarm():
    truth = image(car())
    twice = image(car(0.0, 0.9), car(0.02, 0.8))
    assert score(truth, twice).precision['3d'] == pytest.approx([100.0] * 3)
    alike = image(car(0.0, 0.9), car(0.02, 0.9))
    assert score(truth, alike).precision['3d'] == pytest.approx([50.0] * 3)


@pytest.mark.parametrize(
    'level, change',
    [(1, dict(occluded=1)), (2, dict(occluded=2)), (1, dict(truncated=0.2)), (1, dict(height=30))],
)
def test_hard_objects_count_from_their_difficulty_on(level, change):
    truth = image(car(), car(10.0, **change))
    values = score(truth, image(car())).precision['3d']
    assert values[level - 1] == pytest.approx(100.0) and values[level] == pytest.approx(50.0)
    # finding what does not count is no mistake
    more = image(car(), car(10.0, 0.99, **change))
    assert score(truth, more).precision['3d'][level - 1] == pytest.approx(100.0)


def test_neighbours_and_regions_without_labels_are_no_mistakes():
    truth = image(car(), car(10.0, kind='Van'), car(20.0, kind='Truck'), car(30.0, kind='DontCare'))
    found = image(car(0.0, 0.5), car(10.0, 0.9))
    assert score(truth, found).precision['2d'] == pytest.approx([100.0] * 3)
    in_region = image(car(0.0, 0.5), car(30.0, 0.9))
    assert score(truth, in_region).precision['2d'] == pytest.approx([100.0] * 3)
    mistaken = image(car(0.0, 0.5), car(20.0, 0.9))
    assert score(truth, mistaken).precision['2d'] == pytest.approx([50.0] * 3)


def test_orientation_counts_for_similarity_alone():
    truth = image(car(alpha=0.5))
    turned = image(car(alpha=0.5 + math.pi / 2))
    result = score(truth, turned)
    assert result.precision['2d'] == pytest.approx([100.0] * 3)
    assert result.orientation == pytest.approx([50.0] * 3)


def test_other_classes_do_not_count():
    truth = image(car(kind='Pedestrian'), car(10.0))
    result = score(truth, image(car(kind='Pedestrian'), car(10.0, kind='Cyclist')), 'Pedestrian')
    assert result.precision['2d'] == pytest.approx([100.0] * 3)


def test_thresholds_lie_at_even_steps_of_recall():
    scores = np.linspace(1, 0, 81)[:80]
    thresholds = score_thresholds(scores, 80)
    assert len(thresholds) == 41 and (np.diff(thresholds) < 0).all()
    assert len(score_thresholds(scores[:40], 80)) == 21
    assert score_thresholds(np.array([0.5]), 1).tolist() == [0.5]


def test_equals_mmdet3d_in_the_image():
    """Random labels and detections of all kinds; in space mmdet3d's needs numba.cuda."""
    from mmdet3d.core.evaluation.kitti_utils.eval import do_eval

    rng = np.random.default_rng(0)
    kinds = ['Car', 'Van', 'Pedestrian', 'Person_sitting', 'Cyclist', 'DontCare', 'Truck']
    truths, founds = [], []
    for _ in range(60):
        number = rng.integers(1, 9)
        rows = [
            car(
                float(x),
                kind=kinds[rng.integers(len(kinds))],
                occluded=int(rng.integers(0, 4)),
                truncated=float(rng.choice([0, 0, 0.2, 0.4])),
                height=float(rng.uniform(20, 90)),
                alpha=float(rng.uniform(-3, 3)),
            )
            for x in rng.uniform(-10, 10, number)
        ]
        truths.append(image(*rows))
        shaken = []
        for kind, values in rows:
            for _ in range(rng.integers(0, 3)):
                moved = np.array(values)
                moved[3:7] += rng.normal(0, 3, 4)
                moved[2] += rng.normal(0, 0.5)
                moved[14] = rng.random()
                other = kind if rng.random() < 0.8 else 'Car'
                shaken.append((other.replace('DontCare', 'Car'), moved))
        founds.append(image(*shaken))

    def annotations(objects):
        return dict(
            name=objects.types.astype(str),
            truncated=objects.truncated,
            occluded=objects.occluded,
            alpha=objects.alpha,
            bbox=objects.bboxes,
            score=objects.scores,
        )

    overlaps = np.array([[[0.7, 0.5, 0.5]]])
    reference = do_eval(
        [annotations(t) for t in truths],
        [annotations(f) for f in founds],
        [0, 1, 2],
        overlaps,
        ['bbox', 'aos'],
    )
    for row, name in enumerate(('Car', 'Pedestrian', 'Cyclist')):
        result = evaluate_class(truths, founds, name)
        np.testing.assert_allclose(result.precision['2d'], reference[4][row, :, 0], atol=1e-6)
        np.testing.assert_allclose(result.orientation, reference[7][row, :, 0], atol=1e-6)


def test_real_labels_against_themselves(kitti70_root):
    truths = [read_objects(path) for path in sorted((kitti70_root / 'label_2').glob('*.txt'))]
    detections = [truth.select(truth.types != 'DontCare') for truth in truths]
    result = evaluate_class(truths, detections, 'Car')
    for values in (*result.precision.values(), result.orientation):
        assert values == pytest.approx([100.0] * 3)

"""Intervals and ties of the table, and pictures that are drawn."""

import cv2
import numpy as np
import pytest
from ablation_study.measure import Measured, Shown
from ablation_study.report import (
    COLUMNS,
    Estimate,
    Run,
    difference,
    draw_intervals,
    draw_objects,
    estimate,
    is_as_good,
    markdown_table,
)


def measured(yaw, num=200, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.05, 0.15, (5, num))
    return Measured(values[0], yaw * rng.uniform(0.5, 1.5, num), *values[1:])


def test_interval_holds_the_value_and_narrows_with_objects():
    value = COLUMNS[0].value
    few = estimate([measured(10, 30)], value)
    many = estimate([measured(10, 3000)], value)
    assert few.low < few.value < few.high and many.low < 10 < many.high
    assert many.high - many.low < 0.3 * (few.high - few.low)


def test_interval_grows_with_the_difference_of_seeds():
    value = COLUMNS[0].value
    alike = estimate([measured(10), measured(10, seed=1)], value)
    apart = estimate([measured(5), measured(15, seed=1)], value)
    assert apart.low < 6 and apart.high > 14
    assert alike.high - alike.low < 3


def test_difference_on_the_same_objects_is_surer_than_either_value():
    value = COLUMNS[0].value
    ones = [measured(10, 200, seed) for seed in (0, 1)]
    others = [one._replace(yaw=one.yaw + 1) for one in ones]
    gap = difference(others, ones, value)
    alone = [estimate(runs, value) for runs in (ones, others)]
    assert gap.value == pytest.approx(1) and gap.low < 1 < gap.high
    assert difference(ones, others, value).value == pytest.approx(-1)
    one_seed = difference(others[:1], ones[:1], value)
    assert one_seed.low == pytest.approx(1) and one_seed.high == pytest.approx(1)
    assert all(one_seed.high - one_seed.low < one.high - one.low for one in alone)


def test_ties():
    best = Estimate(5.0, 4.0, 6.0)
    assert is_as_good(Estimate(7.0, 5.5, 8.0), best, higher=False)
    assert not is_as_good(Estimate(7.0, 6.5, 8.0), best, higher=False)
    assert not is_as_good(Estimate(3.0, 2.0, 3.5), best, higher=True)


def test_table_marks_the_best_and_counts_seeds():
    runs = [
        Run('good', 0, [10], [measured(5)]),
        Run('good', 1, [10], [measured(5, seed=1)]),
        Run('bad', 0, [10], [measured(50)]),
    ]
    lines = markdown_table(runs).splitlines()
    assert lines[2].startswith('| good | 2 | **5.') and lines[3].startswith('| bad | 1 | 4')
    assert all(line.count('|') == len(COLUMNS) + 3 for line in lines)


def test_pictures(tmp_path):
    cv2.imwrite(str(tmp_path / 'car.png'), np.full((64, 64, 3), 90, np.uint8))
    box = np.array([[4.5, 1.7, 2.0, 0.0, 0.5, 12.0, 0.3]])
    shown = Shown(
        files=np.array([str(tmp_path / 'car.png')]),
        cam2img=np.array([[[100.0, 0, 32], [0, 100, 32], [0, 0, 1]]]),
        truth=box,
        found=box + [0, 0, 0, 0, 0, 0, 0.5],
        x2d=np.full((1, 4, 2), 32.0),
        noc=np.zeros((1, 4, 3)),
        weights=np.ones((1, 4)),
    )
    draw_objects([('one', shown), ('two', shown)], tmp_path / 'objects.png', count=1)
    draw_intervals([Run('one', 0, [1, 2], [measured(5), measured(4)])], tmp_path / 'intervals.png')
    for name in ('objects', 'intervals'):
        picture = cv2.imread(str(tmp_path / f'{name}.png'))
        assert picture.std() > 10

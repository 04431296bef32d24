"""How far apart two loss curves are."""

import numpy as np
import pytest

from support.scripts import load


@pytest.fixture(scope='module')
def compare(repository):
    return load(repository / 'benchmarks' / 'compare_backends.py')


def test_distance_is_relative_and_of_smoothed_curves(compare):
    curve = np.linspace(30, 10, 60)
    assert compare.distance(curve, curve) == 0
    assert compare.distance(curve, 1.1 * curve) == pytest.approx(0.0976, abs=1e-3)
    jagged = curve + np.tile([1.0, -1.0], 30)  # which a window of ten steps evens out
    assert compare.distance(curve, jagged) < 1e-12

import cv2
import numpy as np
import pytest

from epropnp_6dof.evaluation.accuracy import accuracy, area_under_curve
from epropnp_6dof.evaluation.plots import accuracy_curve, save_accuracy_curves
from epropnp_6dof.evaluation.report import Errors


@pytest.fixture
def errors():
    found = np.random.default_rng(0).gamma(2.0, 0.03, 200)
    found[:7] = np.inf
    return found


def test_the_curve_is_the_accuracy_at_every_threshold(errors):
    thresholds, shares = accuracy_curve(errors, 0.1)
    for wanted in (0.02, 0.05, 0.0999):
        step = np.searchsorted(thresholds, wanted, side='right') - 1
        assert shares[step] == pytest.approx(accuracy(errors, wanted))
    area = (np.diff(thresholds) * shares[:-1]).sum() / 0.1
    assert area == pytest.approx(area_under_curve(errors, 0.1))


@pytest.mark.parametrize('empty', [np.zeros(0), np.full(3, np.inf)])
def test_nothing_found_is_a_flat_line(empty):
    assert accuracy_curve(empty, 1.0)[1].tolist() == [0, 0]


def test_a_picture_is_written(errors, tmp_path):
    path = save_accuracy_curves(tmp_path / 'new' / 'a.png', {6: Errors(*[errors] * 6)})
    picture = cv2.imread(str(path))
    assert (
        picture.shape[1] > 1000 and (np.abs(picture - [178, 114, 0]).max(axis=2) < 20).sum() > 500
    )

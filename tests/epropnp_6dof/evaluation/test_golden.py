"""Metrics against the official evaluation (docs/method_6dof.md 10.4)."""

import numpy as np
import pytest

from epropnp_6dof.data.official import CAM2IMG
from epropnp_6dof.evaluation import metrics
from epropnp_6dof.evaluation.accuracy import distance_table, pose_table
from epropnp_6dof.evaluation.report import pose_errors
from epropnp_6dof.objects.models import ObjectModel

OBJECTS = {'ape': 1, 'eggbox': 10, 'glue': 11}
DIAMETERS = {'ape': 0.1020987, 'eggbox': 0.1646276, 'glue': 0.1758893}


@pytest.fixture(scope='module')
def golden(golden_dir):
    return np.load(golden_dir / '6dof' / 'eval6dof.npz')


def errors_of(golden, name):
    symmetries = np.stack([np.eye(4)] * (1 if name == 'ape' else 2))
    model = ObjectModel(OBJECTS[name], DIAMETERS[name], None, None, symmetries, None)
    poses = golden[f'{name}_pose_est'], golden[f'{name}_pose_gt']
    return pose_errors(model, golden[f'{name}_points'], *poses, CAM2IMG)


@pytest.mark.parametrize('name', OBJECTS)
def test_errors_match_the_official_ones(golden, name):
    truths, estimates = golden[f'{name}_pose_gt'], golden[f'{name}_pose_est']
    points = golden[f'{name}_points']
    np.testing.assert_allclose(
        metrics.add(points, estimates, truths), golden[f'{name}_add'], rtol=1e-9
    )
    np.testing.assert_allclose(
        metrics.rotation_error(estimates, truths), golden[f'{name}_rot_deg'], atol=1e-5
    )
    np.testing.assert_allclose(
        metrics.projection_error(points, estimates, truths, CAM2IMG),
        golden[f'{name}_proj'],
        rtol=1e-9,
    )
    errors = errors_of(golden, name)
    np.testing.assert_allclose(
        errors.add * DIAMETERS[name], golden[f'{name}_add_or_adi'], rtol=1e-9
    )
    rotation, translation, projection, add = golden[f'{name}_all_errs'].T
    # The official code turns the eggbox in single precision.
    np.testing.assert_allclose(errors.rotation, rotation, atol=1e-4)
    np.testing.assert_allclose(errors.translation, translation, atol=1e-7)
    np.testing.assert_allclose(errors.projection, projection, atol=1e-3)
    np.testing.assert_allclose(errors.add * DIAMETERS[name], add, rtol=1e-9)


def test_tables_match_the_printed_ones(golden):
    found = [errors_of(golden, name) for name in OBJECTS]
    add = np.array([distance_table(e.add, (0.02, 0.05, 0.1), 0.1) for e in found])
    projection = np.array([distance_table(e.projection, (2, 5, 10, 20), 50) for e in found])
    add, projection = (np.vstack([table, table.mean(0)]) for table in (add, projection))
    np.testing.assert_allclose(add[:, 1:], golden['add_table'][:, 1:], atol=0.006)
    np.testing.assert_allclose(projection[:, 1:], golden['proj_table'][:, 1:], atol=0.006)
    # The exact integral up to the limit; the official one stops one step before it.
    np.testing.assert_allclose(add[:, 0], golden['add_table'][:, 0], atol=0.1)
    np.testing.assert_allclose(projection[:, 0], golden['proj_table'][:, 0], atol=0.25)
    poses = [pose_table(e.rotation, e.translation) for e in found]
    poses = np.concatenate([*poses, np.mean(poses, 0)])
    np.testing.assert_allclose(poses, golden['pose_table'][:, 2:], atol=0.006)

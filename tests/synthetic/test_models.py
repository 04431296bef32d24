import numpy as np
import pytest

from epropnp_det.rendering.meshes import beam, block, ellipsoid, face_normals, tube
from epropnp_det.synthetic.content import catalog
from epropnp_det.synthetic.content.materials import LAMP

KINDS = (
    [(name, 'vehicle.moving') for name in catalog.VEHICLES]
    + [(name, f'cycle.{rider}_rider') for name in catalog.CYCLES for rider in ('with', 'without')]
    + [('pedestrian', a) for a in catalog.ATTRIBUTES if a.startswith('pedestrian')]
    + [('traffic_cone', ''), ('barrier', '')]
)


def _shape(name, attribute, seed=0):
    rng = np.random.default_rng(seed)
    return catalog.make_shape(name, attribute, catalog.sample_size(name, attribute, rng), rng)


def _volume(mesh):
    a, b, c = mesh.triangles.astype(float).transpose(1, 0, 2)
    return (a * np.cross(b, c)).sum() / 6


@pytest.mark.parametrize(('name', 'attribute'), KINDS)
@pytest.mark.parametrize('seed', range(3))
def test_a_model_fills_its_box_exactly(name, attribute, seed):
    shape = _shape(name, attribute, seed)
    points = shape.mesh.triangles.reshape(-1, 3)
    half = shape.size * (0.5, 0.5, 0)
    np.testing.assert_allclose(points.min(0), -half, atol=1e-5)
    np.testing.assert_allclose(points.max(0), half + (0, 0, shape.size[2]), atol=1e-5)
    assert np.isfinite(shape.mesh.colors).all()
    assert shape.mesh.colors.min() >= 0 and shape.mesh.colors.max() <= 1


def test_solids_are_closed_and_turned_outward():
    white = (1, 1, 1)
    cases = [
        (block((0, 2), (0, 3), (0, 4), white), 24.0),
        (beam((0, 0, 0), (3, 0, 4), 0.5, white), 1.25),
        (tube((0, 0, 0), (1, 2, 3), (0.5, 0.5), white, sides=64), np.pi / 4 * np.sqrt(14)),
        (ellipsoid((5, 0, 0), (1, 2, 3), white, sides=48, rings=24), 8 * np.pi),
    ]
    for mesh, volume in cases:
        assert _volume(mesh) == pytest.approx(volume, rel=0.02)
        np.testing.assert_allclose(
            np.linalg.norm(face_normals(mesh.triangles), axis=1), 1, atol=1e-5
        )


@pytest.mark.parametrize('name', ['car', 'truck', 'bus', 'bicycle', 'motorcycle'])
def test_lamps_are_white_in_front_and_red_behind(name):
    attribute = 'cycle.with_rider' if name in catalog.CYCLES else 'vehicle.moving'
    mesh = _shape(name, attribute).mesh
    lamps = mesh.materials == LAMP
    x, red = mesh.triangles[lamps].mean(1)[:, 0], mesh.colors[lamps, 1] < 0.2
    assert red.any() and (~red).any()
    assert x[red].max() < 0 < x[~red].min()


def test_sizes_follow_the_priors():
    rng = np.random.default_rng(0)
    sizes = np.array([catalog.sample_size('car', 'vehicle.parked', rng) for _ in range(400)])
    np.testing.assert_allclose(sizes.mean(0), (4.62, 1.96, 1.73), rtol=0.02)
    assert (sizes.std(0) > 0.5 * np.array([0.46, 0.16, 0.24])).all()


def test_a_rider_makes_a_cycle_taller():
    rng = np.random.default_rng(0)
    tall, low = (
        [catalog.sample_size('bicycle', f'cycle.{rider}_rider', rng)[2] for _ in range(20)]
        for rider in ('with', 'without')
    )
    assert min(tall) > max(low) + 0.3

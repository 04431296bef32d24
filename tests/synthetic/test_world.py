import numpy as np
import pytest
from shapely.geometry import Polygon

from epropnp_det.synthetic.content import catalog
from epropnp_det.synthetic.content.population import Population
from epropnp_det.synthetic.content.scene import make_world
from epropnp_det.synthetic.content.world import (
    KEYFRAME_INTERVAL,
    LANE,
    Pose,
    box_corners,
    rectangles_overlap,
)
from epropnp_det.taxonomy import CLASSES

FRAMES = 6


@pytest.fixture(scope='module', params=[0, 1, 2])
def world(request):
    return make_world('scene-0061', FRAMES, 0.25, np.random.default_rng(request.param))


def _outlines(world, frame):
    time = frame * KEYFRAME_INTERVAL
    return np.stack(
        [
            box_corners(a.position(time), np.asarray(a.yaw), *np.asarray(a.shape.size[:2]))
            for a in world.actors
        ]
    )


def test_rectangle_overlap_agrees_with_shapely():
    rng = np.random.default_rng(0)
    boxes = box_corners(
        rng.uniform(-3, 3, (2, 500, 2)),
        rng.uniform(-4, 4, (2, 500)),
        *rng.uniform(0.5, 4, (2, 2, 500)),
    )
    ours = rectangles_overlap(boxes[0], boxes[1])
    theirs = [Polygon(a).intersection(Polygon(b)).area > 1e-9 for a, b in zip(*boxes)]
    np.testing.assert_array_equal(ours, theirs)
    assert 0.1 < ours.mean() < 0.9


def test_nothing_overlaps_at_any_keyframe(world):
    for frame in range(FRAMES):
        outlines = _outlines(world, frame)
        hits = rectangles_overlap(outlines[:, None], outlines[None])
        np.fill_diagonal(hits, False)
        assert not hits.any()


def test_the_own_vehicle_touches_nobody(world):
    for frame in range(FRAMES):
        pose = world.ego_pose(frame)
        body = box_corners(
            pose.xy + (1.4, 0), np.asarray(pose.yaw), np.asarray(4.6), np.asarray(1.9)
        )
        assert not rectangles_overlap(_outlines(world, frame), body[None]).any()


def test_attributes_follow_class_and_speed(world):
    for actor in world.actors:
        moves = actor.speed > 0.5
        if actor.name in catalog.VEHICLES:
            allowed = ['vehicle.moving'] if moves else ['vehicle.parked', 'vehicle.stopped']
        elif actor.name in catalog.CYCLES:
            allowed = ['cycle.with_rider'] if moves else ['cycle.without_rider']
        elif actor.name == 'pedestrian':
            still = ['pedestrian.standing', 'pedestrian.sitting_lying_down']
            allowed = ['pedestrian.moving'] if moves else still
        else:
            allowed = ['']
        assert actor.attribute in allowed, actor


def test_vehicles_drive_on_the_right_side(world):
    for actor in world.actors:
        along = abs(np.sin(actor.yaw)) < 0.1
        if actor.name == 'car' and actor.speed > 0.5 and along:
            assert np.sign(actor.start[1]) == -np.sign(np.cos(actor.yaw))


def test_a_few_scenes_hold_all_ten_classes_and_every_attribute():
    worlds = [make_world('x', 2, 0.25, np.random.default_rng(seed)) for seed in range(4)]
    actors = [actor for world in worlds for actor in world.actors]
    assert {actor.name for actor in actors} == set(CLASSES)
    assert {actor.attribute for actor in actors} == {*catalog.ATTRIBUTES, ''}


def test_the_same_generator_state_gives_the_same_world(world):
    first, second = (make_world('x', 2, 0.25, np.random.default_rng(7)) for _ in range(2))
    assert len(first.actors) == len(second.actors)
    for a, b in zip(first.actors, second.actors):
        np.testing.assert_array_equal(a.start, b.start)
        np.testing.assert_array_equal(a.shape.mesh.colors, b.shape.mesh.colors)


def test_population_refuses_what_would_collide_later():
    rng = np.random.default_rng(0)
    street = make_world('x', 1, 0.25, rng).street
    population = Population(street, 10, 0.0, -LANE / 2, rng)
    parked = population.add('car', 'vehicle.parked', (40, 1.75), 0.0)
    assert parked is not None
    # Starts 20 m away and would reach the parked car after 2 s.
    assert population.add('car', 'vehicle.moving', (60, 1.75), np.pi, 10.0) is None
    assert population.add('car', 'vehicle.moving', (60, 1.75), 0.0, 10.0) is not None
    # The own vehicle stands at x = 0.
    assert population.add('pedestrian', 'pedestrian.standing', (2, -LANE / 2), 0.0) is None


def test_poses_compose_like_matrices():
    first, second = Pose(np.array([1.0, 2.0]), 0.3), Pose(np.array([-3.0, 0.5]), 1.1)
    both = first.compose(second)
    point = np.array([0.7, -0.2])
    step = first.rotation @ (second.rotation @ point + second.xy) + first.xy
    np.testing.assert_allclose(both.rotation @ point + both.xy, step, atol=1e-12)

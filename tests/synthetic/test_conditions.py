"""Night, rain, crowds, emptiness, hills and other cameras, in pictures and in tables."""

from functools import lru_cache

import numpy as np
import pytest
from nuscenes.nuscenes import NuScenes
from PIL import Image

from epropnp_det.synthetic import PRESETS, Spec, make_dataset, scene_world
from epropnp_det.synthetic.content.cameras import CAMERA_NAMES, LIDAR_NAME, make_rig, remount
from epropnp_det.synthetic.content.conditions import Conditions, parse_conditions
from epropnp_det.synthetic.content.terrain import Frame, Terrain, make_hills
from epropnp_det.synthetic.content.world import KEYFRAME_INTERVAL
from epropnp_det.synthetic.files.statistics import choose_scenes, collect, draw_statistics
from epropnp_det.synthetic.files.tables import token
from epropnp_det.synthetic.sensors.frame import observe_frame
from support.devkit import boxes_with_counted_points

KINDS = ('hills', 'night+rain', 'dusk+crowd', 'empty', 'day+rig')
SPEC = Spec(scenes=5, frames=2, scale=0.12, conditions=KINDS)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp('kinds') / 'nuscenes', SPEC, progress=False)


@pytest.fixture(scope='module')
def nusc(root):
    return NuScenes('v1.0-mini', str(root), verbose=False)


@lru_cache
def _images(conditions):
    world = scene_world(SPEC._replace(conditions=(conditions,)), 0)
    return np.stack([r.image for r in observe_frame(world, 0, (0,))[0]]).astype(float)


def test_words_are_read_and_described():
    assert parse_conditions('day') == Conditions()
    assert parse_conditions('night+rain') == Conditions(night=True, rain=True)
    assert parse_conditions('rain+night').describe() == 'Night, rain'
    assert Conditions().describe() == ''


def test_the_rich_preset_has_all_but_hills_and_other_cameras_in_the_mini_scenes():
    spec = Spec(conditions=PRESETS['rich']).check()
    found = np.array([spec.conditions_of(index) for index in spec.indices])
    on = dict(zip(Conditions._fields, found.any(0)))
    assert on == {**dict.fromkeys(Conditions._fields, True), 'hills': False, 'rig': False}
    val = spec._replace(split='mini_val')
    assert [val.conditions_of(k).describe() for k in val.indices] == ['Rain, crowd', 'Night']


def test_night_is_darker_than_dusk_and_dusk_than_day():
    day, dusk, night = (_images(kind) for kind in ('day', 'dusk', 'night'))
    assert day.mean() > 1.3 * dusk.mean() > 1.7 * night.mean()
    assert night.mean() > 8 and np.percentile(night, 99) > 120  # lamps and windows


def test_rain_takes_colour_and_contrast():
    day, rain = _images('day'), _images('rain')
    assert rain.std(-1).mean() < 0.7 * day.std(-1).mean()
    assert rain.std() < day.std()


def test_the_light_leaves_the_world_as_it_is():
    worlds = [scene_world(SPEC._replace(conditions=(kind,)), 0) for kind in ('day', 'night+rain')]
    positions = [np.stack([actor.start for actor in world.actors]) for world in worlds]
    np.testing.assert_array_equal(*positions)


def test_another_vehicle_has_other_cameras_in_the_same_street():
    lifts = []
    for index in range(3):
        worlds = [
            scene_world(SPEC._replace(conditions=(kind,)), index) for kind in ('day', 'day+rig')
        ]
        np.testing.assert_array_equal(*[[a.start for a in world.actors] for world in worlds])
        before, after = (world.rig[0].translation for world in worlds)
        lifts.append(after[2] - before[2])
    assert abs(np.diff(lifts)).min() > 0.01  # every scene has a vehicle of its own


def test_cameras_of_other_vehicles():
    """Lifted together, pitched and zoomed one by one, over the whole of each range."""
    usual, lifts, focals, pitches = make_rig(1.0, np.random.default_rng(0)), [], [], []
    for seed in range(40):
        for a, b in zip(usual, remount(usual, np.random.default_rng(seed))):
            assert a.name == b.name and a.size == b.size
            np.testing.assert_allclose(b.rotation @ b.rotation.T, np.eye(3), atol=1e-12)
            # Its own x axis is what it turns about: no roll, no other heading.
            np.testing.assert_allclose(a.rotation[:, 0], b.rotation[:, 0], atol=1e-12)
            np.testing.assert_array_equal((b.translation - a.translation)[:2], 0)
            lifts.append((b.translation - a.translation)[2])
            focals.append(b.cam2img[0, 0] / a.cam2img[0, 0])
            pitches.append(np.degrees(np.arcsin(a.rotation[:, 1] @ b.rotation[:, 2])))
        assert np.ptp(lifts[-6:]) < 1e-12  # one vehicle, one height
    for values, low, high in ((lifts, -0.7, 1.0), (focals, 0.75, 1.33), (pitches, -4, 4)):
        span = high - low
        assert low <= min(values) < low + 0.2 * span and high - 0.2 * span < max(values) <= high


def test_a_crowd_adds_people_and_closes_the_rows():
    names = [
        [actor.name for actor in scene_world(SPEC._replace(conditions=(kind,)), 0).actors]
        for kind in ('day', 'day+crowd')
    ]
    assert names[1].count('pedestrian') > 1.5 * names[0].count('pedestrian')
    assert names[1].count('car') > names[0].count('car')


def test_scenes_say_what_they_are_like(nusc):
    texts = [scene['description'] for scene in nusc.scene]
    for text, kind in zip(texts, ('Hills, synth', 'Night, rain, s', 'Dusk, crowd', 'Empty')):
        assert text.startswith(kind)


def test_an_empty_scene_has_samples_and_images_but_no_annotations(nusc):
    sample = nusc.get('sample', nusc.scene[3]['first_sample_token'])
    assert sample['anns'] == [] and len(sample['data']) == 7
    for channel in CAMERA_NAMES:
        with Image.open(nusc.get_sample_data_path(sample['data'][channel])) as image:
            assert np.asarray(image).std() > 20


def test_hills_pitch_the_boxes_and_keep_the_tables_consistent(nusc):
    """Counts are those of the devkit, velocities those of the simulation, tilted or not."""
    scene, world = nusc.scene[0], scene_world(SPEC, 0)
    actors = {token(0, 'instance', world.name, k): a for k, a in enumerate(world.actors)}
    sample, tilts, checked = nusc.get('sample', scene['first_sample_token']), [], 0
    for box, record in boxes_with_counted_points(nusc, sample):
        upright = nusc.get_box(box.token).orientation.rotation_matrix[2, 2]
        tilts.append(np.degrees(np.arccos(upright)))
        velocity = nusc.box_velocity(box.token)
        if np.isfinite(velocity).all():
            # The ground point keeps its pace; the centre above it sways as the slope changes.
            actor, middle = actors[record['instance_token']], KEYFRAME_INTERVAL / 2
            ends = [world.actor_box(actor, middle + dt).translation for dt in (-1e-3, 1e-3)]
            expected = (ends[1] - ends[0]) / 2e-3
            expected[:2] = world.to_global.rotation @ expected[:2]
            np.testing.assert_allclose(velocity, expected, atol=0.01)
            checked += 1
    assert checked > 20 and max(tilts) > 1.5
    ego = nusc.get(
        'ego_pose', nusc.get('sample_data', sample['data'][LIDAR_NAME])['ego_pose_token']
    )
    assert ego['translation'][2] == pytest.approx(world.ego_frame(0).translation[2])


@pytest.mark.parametrize('scene', [KINDS.index('hills'), KINDS.index('day+rig')])
def test_masks_lie_in_the_boxes_on_hills_and_seen_by_other_cameras(nusc, scene):
    """Two ways from the simulation to a pixel: the rasteriser, and the tables with the devkit."""
    world = scene_world(SPEC, scene)
    renderings = observe_frame(world, 0, (0, scene, 0, 1))[0]
    instances = [token(0, 'instance', world.name, k) for k in range(len(world.actors))]
    sample, checked = nusc.get('sample', nusc.scene[scene]['first_sample_token']), 0
    for camera, rendering in zip(CAMERA_NAMES, renderings):
        _, boxes, cam2img = nusc.get_sample_data(sample['data'][camera])
        factor = rendering.instances.shape[1] / rendering.image.shape[1]
        for box in boxes:
            instance = nusc.get('sample_annotation', box.token)['instance_token']
            rows, cols = np.nonzero(rendering.instances == instances.index(instance))
            corners = box.corners()
            if not len(rows) or corners[2].min() < 0.5:
                continue
            pixels = factor * (cam2img @ corners)[:2] / corners[2]
            low, high = pixels.min(1) - 0.05, pixels.max(1) + 0.05
            assert low[0] <= cols.min() + 0.5 and cols.max() + 0.5 <= high[0]
            assert low[1] <= rows.min() + 0.5 and rows.max() + 0.5 <= high[1]
            checked += 1
    assert checked > 30


def test_things_stand_on_the_tangent_plane():
    terrain = make_hills(np.random.default_rng(0))
    frame = terrain.stand(np.array([12.0, 5.0]), 0.7)
    np.testing.assert_allclose(frame.rotation.T @ frame.rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame.rotation) == pytest.approx(1)
    step = 1e-5 * frame.rotation[:, 0]
    assert step[2] == pytest.approx(terrain.height(12 + step[0]) - terrain.height(12.0), rel=1e-3)
    assert np.arctan2(frame.rotation[1, 0], frame.rotation[0, 0]) == pytest.approx(0.7)
    level = Terrain().stand(np.array([12.0, 5.0]), 0.7)
    assert level.translation[2] == 0 and level.rotation[2, 2] == 1


def test_rays_meet_the_ground_of_the_hills():
    terrain = make_hills(np.random.default_rng(1))
    rng = np.random.default_rng(2)
    rays = rng.normal(size=(200, 3)) * (1, 1, 0.2)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    origin = np.array([3.0, 0.0, terrain.height(3.0) + 1.8])
    distances = terrain.first_hit(origin, rays, 80.0)
    met = np.isfinite(distances)
    hits = origin + distances[met, None] * rays[met]
    np.testing.assert_allclose(hits[:, 2], terrain.height(hits[:, 0]), atol=1e-3)
    assert 0.3 < met.mean() < 0.9
    dropped = terrain.drop(origin[None], np.array([0.5, 0.1, 0.8]))
    np.testing.assert_allclose(dropped[0, 2], terrain.height(dropped[0, 0]), atol=1e-3)


def test_frames_compose_like_matrices():
    rng = np.random.default_rng(0)
    (a, b), (s, t) = np.linalg.qr(rng.normal(size=(2, 3, 3)))[0], rng.normal(size=(2, 3))
    both, point = Frame(a, s).compose(Frame(b, t)), rng.normal(size=3)
    np.testing.assert_allclose(both.rotation @ point + both.translation, a @ (b @ point + t) + s)


def test_statistics_agree_with_the_tables(nusc):
    found = collect(nusc)
    assert len(found.names) == len(nusc.sample_annotation) == found.counts.sum()
    assert len(found.counts) == 2 * len(KINDS) and (found.counts == 0).sum() == 2
    assert found.distances.max() < 60 and set(found.visibility) <= {1, 2, 3, 4}
    assert found.lidar.sum() == sum(r['num_lidar_pts'] for r in nusc.sample_annotation)
    assert ((found.truncations >= 0) & (found.truncations <= 1)).all()
    assert (found.truncations > 0).any() and len(found.truncations) > 50
    assert len(collect(nusc, most=3).counts) == 3


def test_one_scene_of_each_kind_is_shown_first():
    texts = ['Day', 'Day', 'Night, x', 'Night', 'Night, rain', 'Day']
    assert choose_scenes(texts, 3) == [0, 2, 4]
    assert choose_scenes(texts, 4) == [0, 1, 2, 4]


def test_the_page_is_drawn(root, tmp_path):
    path = draw_statistics(root, 'v1.0-mini', tmp_path / 'page.png')
    with Image.open(path) as image:
        page = np.asarray(image.convert('RGB'))
    assert page.shape[0] > 1000 and page.std() > 30

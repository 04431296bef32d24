"""The data set in the eyes of the devkit."""

from collections import Counter

import numpy as np
import pytest
from nuscenes.nuscenes import NuScenes
from nuscenes.utils.splits import create_splits_scenes
from PIL import Image
from pyquaternion import Quaternion

from epropnp_det.synthetic import Spec, scene_order, scene_world
from epropnp_det.synthetic.content.cameras import CAMERA_NAMES, LIDAR_NAME
from epropnp_det.synthetic.files.tables import annotated_frames, matrix_quaternion, token
from epropnp_det.synthetic.sensors.frame import ANNOTATION_RANGE, Observation
from support.devkit import boxes_with_counted_points

SPEC = Spec(scenes=2, frames=3)  # what the fixture `synthetic_root` was written with


@pytest.fixture(scope='module')
def nusc(synthetic_root):
    return NuScenes('v1.0-mini', str(synthetic_root), verbose=False)


def test_scene_names_are_the_official_mini_scenes(nusc):
    splits = create_splits_scenes()
    assert set(scene_order('v1.0-mini')) == {*splits['mini_train'], *splits['mini_val']}
    names = [scene['name'] for scene in nusc.scene]
    assert names[0] in splits['mini_train'] and names[1] in splits['mini_val']


def test_tokens_are_unique_and_every_reference_resolves(nusc):
    for name in nusc.table_names:
        tokens = [record['token'] for record in getattr(nusc, name)]
        assert len(tokens) == len(set(tokens)) and tokens, name
    tables = {'ego_pose', 'calibrated_sensor', 'sample', 'scene', 'log', 'sensor', 'instance'}
    for name in nusc.table_names:
        for record in getattr(nusc, name):
            for key, value in record.items():
                if key.endswith('_token') and key[:-6] in tables | {'category', 'visibility'}:
                    nusc.get(key[:-6], value)
            for key in ('prev', 'next'):
                if record.get(key):
                    other = nusc.get(name, record[key])
                    assert other[{'prev': 'next', 'next': 'prev'}[key]] == record['token']


def test_chains_run_from_first_to_last(nusc):
    for scene in nusc.scene:
        sample, count = nusc.get('sample', scene['first_sample_token']), 1
        while sample['next']:
            following = nusc.get('sample', sample['next'])
            assert following['timestamp'] - sample['timestamp'] == 500_000
            sample, count = following, count + 1
        assert sample['token'] == scene['last_sample_token'] and count == scene['nbr_samples'] == 3
    for instance in nusc.instance:
        record, count = nusc.get('sample_annotation', instance['first_annotation_token']), 1
        assert record['prev'] == ''
        while record['next']:
            record, count = nusc.get('sample_annotation', record['next']), count + 1
        assert record['token'] == instance['last_annotation_token']
        assert count == instance['nbr_annotations']


def test_every_sample_has_six_images_and_a_scan_at_one_time_and_place(nusc):
    for sample in nusc.sample:
        assert set(sample['data']) == {*CAMERA_NAMES, LIDAR_NAME}
        records = [nusc.get('sample_data', key) for key in sample['data'].values()]
        assert {record['timestamp'] for record in records} == {sample['timestamp']}
        poses = [nusc.get('ego_pose', record['ego_pose_token']) for record in records]
        assert len({(*pose['translation'], *pose['rotation']) for pose in poses}) == 1
        for channel in CAMERA_NAMES:
            record = nusc.get('sample_data', sample['data'][channel])
            with Image.open(nusc.get_sample_data_path(record['token'])) as image:
                assert image.size == (record['width'], record['height']) == (400, 225)


def test_lidar_counts_are_those_of_the_devkit(nusc):
    total = 0
    for sample in nusc.sample:
        for _, record in boxes_with_counted_points(nusc, sample):
            total += record['num_lidar_pts']
    assert total > 1000


def test_velocities_of_the_devkit_are_those_of_the_world(nusc):
    checked = 0
    for index, scene in enumerate(nusc.scene):
        world = scene_world(SPEC, index)
        known = {token(SPEC.seed, 'instance', world.name, k): a for k, a in enumerate(world.actors)}
        for record in nusc.sample_annotation:
            if nusc.get('sample', record['sample_token'])['scene_token'] != scene['token']:
                continue
            actor = known[record['instance_token']]
            np.testing.assert_allclose(record['size'], actor.shape.size[[1, 0, 2]])
            velocity = nusc.box_velocity(record['token'])
            if not record['prev'] and not record['next']:
                assert np.isnan(velocity).all()
                continue
            expected = world.to_global.rotation @ actor.velocity
            np.testing.assert_allclose(velocity[:2], expected, atol=1e-6)
            checked += 1
    assert checked > 100


def test_attributes_are_legal_for_the_class(nusc):
    seen = Counter()
    for record in nusc.sample_annotation:
        names = [nusc.get('attribute', key)['name'] for key in record['attribute_tokens']]
        kind = record['category_name']
        seen[kind.split('.')[0]] += 1
        if kind.startswith('movable_object'):
            assert names == []
            continue
        prefix = {'human': 'pedestrian.', 'vehicle': 'vehicle.'}[kind.split('.')[0]]
        if kind in ('vehicle.bicycle', 'vehicle.motorcycle'):
            prefix = 'cycle.'
        assert len(names) == 1 and names[0].startswith(prefix)
        speed = np.linalg.norm(nusc.box_velocity(record['token'])[:2])
        if np.isfinite(speed):
            assert (speed > 0.5) == (names[0].split('.')[1] in ('moving', 'with_rider'))
    assert set(seen) == {'human', 'vehicle', 'movable_object'}


def test_boxes_stand_on_the_ground_within_range(nusc):
    for sample in nusc.sample:
        record = nusc.get('sample_data', sample['data'][LIDAR_NAME])
        ego = np.array(nusc.get('ego_pose', record['ego_pose_token'])['translation'])
        for annotation in sample['anns']:
            box = nusc.get_box(annotation)
            assert np.linalg.norm(box.center[:2] - ego[:2]) < ANNOTATION_RANGE
            assert box.bottom_corners()[2] == pytest.approx(np.zeros(4), abs=1e-6)
            assert nusc.get('sample_annotation', annotation)['visibility_token'] in '1234'


def test_map_mask_holds_the_own_vehicle_and_traffic(nusc):
    for index, scene in enumerate(nusc.scene):
        world = scene_world(SPEC, index)
        log = nusc.get('log', scene['log_token'])
        mask = nusc.get('map', log['map_token'])['mask']
        lane = [a for a in world.actors if a.name == 'car' and a.attribute == 'vehicle.moving']
        points = [world.to_global.compose(world.ego_pose(0)).xy]
        points += [world.to_global.rotation @ a.start + world.to_global.xy for a in lane]
        points = np.array(points)
        assert mask.is_on_mask(points[:, 0], points[:, 1]).all()
        assert 0.01 < (mask.mask() > 0).mean() < 0.5


def test_the_devkit_draws_all_views(nusc, tmp_path):
    sample = nusc.sample[0]
    for channel in ('CAM_FRONT', LIDAR_NAME):
        out = tmp_path / f'{channel}.png'
        nusc.render_sample_data(sample['data'][channel], out_path=str(out), verbose=False)
        assert out.stat().st_size > 10_000


def test_quaternions_reproduce_their_matrix():
    for seed in range(20):
        matrix = Quaternion.random().rotation_matrix if seed else np.diag([1.0, -1.0, -1.0])
        back = Quaternion(matrix_quaternion(matrix)).rotation_matrix
        np.testing.assert_allclose(back, matrix, atol=1e-12)


def test_tracks_have_no_gaps_and_end_where_nobody_sees_them():
    seen = [0, 0, 1, 0, 1, 1, 0]
    near = [1, 1, 1, 1, 1, 1, 0]
    observations = [
        Observation(np.array([bool(n)]), np.array([5 * s]), np.array([9]), np.array([0]))
        for s, n in zip(seen, near)
    ]
    assert annotated_frames(observations, 0) == [2, 3, 4, 5]
    assert annotated_frames(observations[:2], 0) == []

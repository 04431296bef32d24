import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.datasets import NuScenesMonoDataset
from mmdet3d.datasets.nuscenes_mono_dataset import cam_nusc_box_to_global, output_to_nusc_box
from nuscenes.eval.detection.config import config_factory
from pyquaternion import Quaternion
from shapely import affinity
from shapely.geometry import box as rectangle

from epropnp_det.boxes.instances import instance_from_boxes3d
from epropnp_det.datasets.submission import (
    ATTRIBUTES,
    GlobalBoxes,
    SubmissionOptions,
    bev_boxes,
    camera_to_global,
    legal_attributes,
    sample_entries,
    suppress,
)
from epropnp_det.inputs.rotations import multiply_quaternions, quaternion_to_matrix

CLASSES = NuScenesMonoDataset.CLASSES
RANGES = np.array([config_factory('detection_cvpr_2019').class_range[name] for name in CLASSES])


def image(seed=0):
    rng = np.random.default_rng(seed)
    level = Quaternion(axis=[0, 0, 1], degrees=rng.uniform(0, 360))
    tilt = Quaternion(axis=rng.normal(size=3), degrees=1.5)
    camera = Quaternion(matrix=np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]))
    return {
        'token': 'sample',
        'cam2ego_rotation': (camera * tilt).elements.tolist(),
        'cam2ego_translation': [1.7, 0.1, 1.5],
        'ego2global_rotation': (level * tilt).elements.tolist(),
        'ego2global_translation': [1811.2, 977.3, 0.2],
    }


def detections(num=40, seed=0, depth=(3.0, 25.0)):
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, *shape):
        return torch.rand(num, *shape, generator=generator) * (high - low) + low

    dims = draw(0.5, 5.0, 3)
    centers = torch.stack([draw(-15, 15), draw(-1, 2), draw(*depth)], dim=-1)
    boxes = torch.cat([dims, centers, draw(-3.1, 3.1, 1)], dim=-1)
    return {
        'boxes_3d': instance_from_boxes3d(boxes, draw(-5, 5, 2)),
        'scores_3d': draw(0.05, 1.0),
        'labels_3d': torch.randint(10, (num,), generator=generator),
        'attrs_3d': torch.randint(9, (num,), generator=generator),
    }


def global_boxes(num, seed=0, labels=None, spread=8.0):
    rng = np.random.default_rng(seed)
    yaw = rng.uniform(-np.pi, np.pi, num) / 2
    zero = np.zeros(num)
    return GlobalBoxes(
        centers=rng.uniform(-spread, spread, (num, 3)) + [1811.0, 977.0, 0.0],
        sizes=rng.uniform(0.5, 5, (num, 3)),
        rotations=np.stack([np.cos(yaw), zero, zero, np.sin(yaw)], axis=1),
        velocities=np.zeros((num, 3)),
        scores=rng.permutation(num) / num + 0.01,
        labels=rng.integers(0, 3, num) if labels is None else labels,
        attributes=np.full(num, 8),
    )


def test_quaternions_agree_with_pyquaternion():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 20, 4))
    product = multiply_quaternions(left, right)
    for a, b, c in zip(left, right, product):
        np.testing.assert_allclose((Quaternion(a) * Quaternion(b)).elements, c)
        np.testing.assert_allclose(Quaternion(a).rotation_matrix, quaternion_to_matrix(a))


@pytest.mark.parametrize('seed', range(3))
def test_global_boxes_are_those_of_mmdet3d(seed):
    given, info = detections(seed=seed), image(seed)
    mine = camera_to_global(given, info, CLASSES)
    boxes, attributes = output_to_nusc_box(given)
    near = config_factory('detection_cvpr_2019')
    near.class_range = dict.fromkeys(CLASSES, 1e6)
    boxes, _ = cam_nusc_box_to_global(info, boxes, attributes, CLASSES, near)
    assert len(boxes) == len(mine.scores)
    for row, box in enumerate(boxes):
        np.testing.assert_allclose(mine.centers[row], box.center, atol=1e-5)
        np.testing.assert_allclose(mine.sizes[row], box.wlh, atol=1e-5)
        np.testing.assert_allclose(mine.velocities[row], box.velocity, atol=1e-5)
        turn = Quaternion(mine.rotations[row]).inverse * box.orientation
        assert abs(turn.angle) < 1e-5
    np.testing.assert_allclose(np.linalg.norm(mine.rotations, axis=1), 1)


def test_the_cameras_own_ego_pose_is_preferred():
    info = image()
    own = {
        'cam_ego2global_rotation': info['ego2global_rotation'],
        'cam_ego2global_translation': [1812.2, 977.3, 0.2],
    }
    plain = camera_to_global(detections(), info, CLASSES)
    moved = camera_to_global(detections(), {**info, **own}, CLASSES)
    np.testing.assert_allclose(moved.centers - plain.centers, [[1.0, 0, 0]] * 40, atol=1e-9)


def brute_force_nms(boxes, threshold):
    """Greedy suppression with shapely polygons."""
    polygons = []
    for x, y, length, width, yaw in bev_boxes(boxes):
        flat = rectangle(-length / 2, -width / 2, length / 2, width / 2)
        polygons.append(affinity.translate(affinity.rotate(flat, yaw, (0, 0), True), x, y))
    kept = []
    for index in np.argsort(-boxes.scores, kind='stable'):
        overlaps = (
            polygons[index].intersection(polygons[other]).area
            / polygons[index].union(polygons[other]).area
            for other in kept
            if boxes.labels[other] == boxes.labels[index]
        )
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(index)
    return kept


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('threshold', [0.05, 0.25])
def test_suppression_is_greedy_rotated_nms(seed, threshold):
    boxes = global_boxes(60, seed)
    mine = suppress(boxes, SubmissionOptions(nms_iou_thr=threshold))
    expected = brute_force_nms(boxes, threshold)
    assert 10 < len(expected) < 60
    np.testing.assert_array_equal(mine.scores, boxes.scores[expected])
    np.testing.assert_array_equal(mine.centers, boxes.centers[expected])


@pytest.mark.parametrize('seed', range(5))
def test_the_same_object_from_two_cameras_is_kept_once(seed):
    boxes = global_boxes(30, seed, labels=np.arange(30) % 10, spread=500.0)
    noise = np.random.default_rng(seed).normal(0, 1e-6, (30, 3))
    twin = boxes._replace(centers=boxes.centers + noise, scores=boxes.scores / 2)
    kept = suppress(GlobalBoxes.concatenate([twin, boxes]), SubmissionOptions())
    np.testing.assert_array_equal(np.sort(kept.scores), np.sort(boxes.scores))


def test_a_lone_box_and_none_survive():
    assert len(suppress(global_boxes(1), SubmissionOptions()).scores) == 1
    assert len(suppress(global_boxes(0), SubmissionOptions()).scores) == 0


def test_other_classes_do_not_suppress():
    boxes = GlobalBoxes.concatenate([global_boxes(1, labels=np.array([k])) for k in range(3)])
    assert len(suppress(boxes, SubmissionOptions()).scores) == 3
    assert len(suppress(boxes._replace(labels=np.zeros(3, int)), SubmissionOptions()).scores) == 1


def test_best_boxes_within_the_limit():
    boxes = global_boxes(700, spread=5000.0)
    kept = suppress(boxes, SubmissionOptions(score_thr=0.1))
    assert len(kept.scores) == 500
    np.testing.assert_array_equal(kept.scores, np.sort(boxes.scores)[::-1][:500])
    few = suppress(boxes, SubmissionOptions(score_thr=0.9))
    assert 0 < len(few.scores) < 100 and few.scores.min() > 0.9
    off = suppress(global_boxes(50, spread=0.1), SubmissionOptions(nms_iou_thr=None))
    assert len(off.scores) == 50


@pytest.mark.parametrize('label', range(10))
def test_given_attribute_is_kept_only_if_legal(label):
    labels = np.full(9, label)
    chosen = legal_attributes({'attrs_3d': torch.arange(9)}, labels, CLASSES)
    stock = NuScenesMonoDataset.get_attr_name
    expected = [stock(None, index, CLASSES[label]) for index in range(9)]
    assert [ATTRIBUTES[index] for index in chosen] == expected


def test_attribute_scores_choose_within_the_class():
    scores = torch.zeros(10, 9)
    scores[:, 5] = 3.0  # vehicle.moving
    scores[:, 3] = 2.0  # pedestrian.standing
    scores[:, 1] = 1.0  # cycle.without_rider
    chosen = legal_attributes({'attr_scores_3d': scores}, np.arange(10), CLASSES)
    names = [ATTRIBUTES[index] for index in chosen]
    assert names[:5] == ['vehicle.moving'] * 5
    assert names[5:7] == ['cycle.without_rider'] * 2
    assert names[7:] == ['pedestrian.standing', '', '']


def test_attributes_out_of_range_or_absent_become_the_default():
    labels = np.array([0, 7, 8])
    chosen = legal_attributes({'attrs_3d': torch.tensor([-1, 99, 4])}, labels, CLASSES)
    absent = legal_attributes({}, labels, CLASSES)
    assert [ATTRIBUTES[i] for i in chosen] == ['vehicle.parked', 'pedestrian.moving', '']
    np.testing.assert_array_equal(chosen, absent)


def test_boxes_beyond_the_range_of_their_class_are_left_out():
    given = detections(60, depth=(5.0, 70.0))
    entries = sample_entries(
        [given], [image()], CLASSES, RANGES, SubmissionOptions(nms_iou_thr=None)
    )
    ego = np.array(image()['ego2global_translation'][:2])
    assert 5 < len(entries) < 60
    for entry in entries:
        distance = np.linalg.norm(np.array(entry['translation'][:2]) - ego)
        assert distance < RANGES[CLASSES.index(entry['detection_name'])]


def test_boxes_that_are_not_finite_or_have_no_extent_are_left_out():
    given = detections(6)
    tensor = given['boxes_3d'].tensor.clone()
    tensor[0, 0] = float('nan')
    tensor[1, 3] = 0
    tensor[2, 7] = float('nan')  # an unknown velocity is no reason
    tensor[4, 8] = float('inf')
    scores = given['scores_3d'].clone()
    scores[3] = float('inf')
    given = {**given, 'boxes_3d': CameraInstance3DBoxes(tensor, box_dim=9), 'scores_3d': scores}
    mine = camera_to_global(given, image(), CLASSES)
    assert len(mine.scores) == 3
    assert np.isfinite(mine.velocities).all() and np.abs(mine.velocities).max() < 10


def test_boxes_without_velocity_get_zero():
    given = detections(5)
    seven = CameraInstance3DBoxes(given['boxes_3d'].tensor[:, :7], box_dim=7)
    mine = camera_to_global({**given, 'boxes_3d': seven}, image(), CLASSES)
    assert len(mine.scores) == 5 and not mine.velocities.any()


def test_entries_are_plain_values():
    entry = sample_entries([detections(1)], [image()], CLASSES, RANGES, SubmissionOptions())[0]
    assert type(entry['detection_score']) is float
    assert all(type(value) is float for key in ('translation', 'size') for value in entry[key])
    assert len(entry['velocity']) == 2 and len(entry['rotation']) == 4

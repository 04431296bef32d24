"""What answers for the object of a crop, and how far off it is."""

import math

import numpy as np
import pytest
import torch
from ablation_study.answers import COLUMNS, LOST, answer, errors, is_right, judge, targets
from mmdet3d.core.bbox import CameraInstance3DBoxes

CAM2IMG = [[330.0, 0, 40], [0, 330.0, 40], [0, 0, 1]]
TRUTH = [1.0, 0.5, 20.0, 4.5, 1.7, 2.0, 0.3]


def crops(count=1):
    images = [{'id': str(i), 'target': TRUTH, 'cam_intrinsic': CAM2IMG} for i in range(count)]
    u, v = 40 + 330 / 20, 40 + 330 * 0.5 / 20
    bbox = [u - 30, v - 15, 60.0, 30.0]
    other = {'image_id': '0', 'bbox_cam3d': [9.0, *TRUTH[1:]], 'bbox': [0.0, 0, 5, 5]}
    annotations = [other] + [
        {'image_id': image['id'], 'bbox_cam3d': TRUTH, 'bbox': bbox} for image in images
    ]
    return {'images': images, 'annotations': annotations}


def detections(*boxes, scores=None):
    """Boxes about their middle, as networks give them."""
    tensor = torch.tensor([[*box, 0.0, 0.0] for box in boxes]).reshape(-1, 9)
    return {
        'boxes_3d': CameraInstance3DBoxes(tensor, box_dim=9, origin=(0.5, 0.5, 0.5)),
        'scores_3d': torch.tensor(scores or [0.5] * len(boxes)),
    }


def moved(**changes):
    names = ('x', 'y', 'z', 'l', 'h', 'w', 'yaw')
    return [changes.get(name, value) for name, value in zip(names, TRUTH)]


def test_the_truth_is_right():
    found = judge(targets(crops(), [detections(TRUTH)]))
    assert found.position[0] < 1e-6 and found.dimensions[0] < 1e-6 and found.yaw[0] < 1e-4
    assert found.depth[0] == pytest.approx(1) and is_right(found).all()


def test_errors_are_relative_and_yaws_periodic():
    box = np.array([1.5 * v for v in TRUTH[:3]] + [9.0, 1.7, 2.0, 0.3 + 2 * math.pi - 0.1])
    position, depth, yaw, dimensions = errors(box, np.array(TRUTH))
    assert position == pytest.approx(0.5) and depth == pytest.approx(1.5)
    assert yaw == pytest.approx(math.degrees(0.1)) and dimensions == pytest.approx(1 / 3)
    assert errors(np.array(moved(yaw=0.3 - math.pi)), np.array(TRUTH))[2] == pytest.approx(180)


def test_the_best_near_the_object_answers_and_no_other():
    image, annotation = crops()['images'][0], crops()['annotations'][1]
    near, worse, aside = moved(z=20.5), moved(z=21.0), moved(x=3.0)
    found = answer(image, annotation, detections(worse, near, aside, scores=[0.2, 0.3, 0.9]))
    np.testing.assert_allclose(found, near, atol=1e-5)
    behind = [-value for value in TRUTH[:3]] + TRUTH[3:]
    assert answer(image, annotation, detections(aside, behind)) is None


def test_no_answer_is_as_wrong_as_can_be():
    found = judge(targets(crops(2), [detections(), detections(TRUTH)]))
    assert found.yaw[0] == LOST and math.isinf(found.position[0]) and math.isnan(found.depth[0])
    values = {column.head: column.value(found) for column in COLUMNS}
    assert values['answered, %'] == 50 and values['front taken for back, %'] == 0
    assert values['yaw and position right, %'] == 50

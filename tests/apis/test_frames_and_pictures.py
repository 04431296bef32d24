import json

import cv2
import numpy as np
import pytest
import torch
from mmdet3d.core import bbox3d2result

from epropnp_det.apis import ImageDetections, read_frames, save_pictures, to_objects
from epropnp_det.apis.pictures import evenly_spread
from epropnp_det.boxes.instances import instance_from_boxes3d
from epropnp_det.visualization import project

CLASSES = ('car', 'pedestrian', 'traffic_cone')


def result_of(boxes, scores, labels, velocities=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 7)
    velocity = None if velocities is None else torch.tensor(velocities)
    attributes = torch.full((len(boxes),), 6)
    instance = instance_from_boxes3d(boxes, velocity)
    return {
        'img_bbox': bbox3d2result(
            instance, torch.tensor(scores), torch.tensor(labels, dtype=torch.long), attributes
        )
    }


def test_frames_of_the_stock_format(small_data):
    frames = read_frames(small_data, small_data.parent, CLASSES)
    assert [frame.camera for frame in frames][:2] == ['CAM_FRONT', 'CAM_FRONT_RIGHT']
    assert {frame.sample for frame in frames} == {'sample0'}
    frame = frames[0]
    np.testing.assert_allclose(frame.ground_truth.boxes, [[4, 1.5, 2, 0, 0.5, 10, -1.57]])
    assert frame.bboxes.tolist() == [[36, 26, 60, 44]]
    assert frame.load().pixels.shape == (64, 96, 3)
    # 10 m ahead of a camera that looks along ego x
    ego = frame.cam2ego @ [0, 0.5, 10, 1]
    np.testing.assert_allclose(ego[:3], [11.7, 0, 1.0], atol=1e-9)


def test_classes_select_and_number_the_objects(small_data):
    assert len(read_frames(small_data, '', ('pedestrian',))[0].ground_truth.boxes) == 0
    frames = read_frames(small_data, '', ('pedestrian', 'car'))
    assert frames[0].ground_truth.labels.tolist() == [1]


def test_a_short_file_has_frames_too(small_data, tmp_path):
    content = json.loads(small_data.read_text())
    for annotation in content['annotations']:
        for key in ('bbox', 'area', 'center2d'):
            annotation.pop(key, None)
    (tmp_path / 'short.json').write_text(json.dumps(content))
    frames = read_frames(tmp_path / 'short.json', small_data.parent, CLASSES)
    # The rear of a car of 4 x 1.5 x 2 m, which is 10 m ahead and half a metre below the camera.
    (focal, _, u), (_, _, v), _ = frames[0].cam2img
    rear = [u - focal / 8, v - focal * 0.25 / 8, u + focal / 8, v + focal * 1.25 / 8]
    np.testing.assert_allclose(frames[0].bboxes, [rear], atol=0.1)


def test_real_keyframe(keyframe_root):
    """Centres project onto the json's own center2d, and lie where the ego frame says."""
    path = keyframe_root / 'nuscenes_infos_mono3d.coco.json'
    content = json.loads(path.read_text())
    names = [category['name'] for category in content['categories']]
    frames = read_frames(path, keyframe_root, names)
    assert sum(len(frame.ground_truth.boxes) for frame in frames) == 84
    for frame in frames:
        entries = [a for a in content['annotations'] if a['image_id'] == frame.token]
        centers = np.array([entry['center2d'][:2] for entry in entries])
        found = project(frame.ground_truth.boxes[:, 3:6], frame.cam2img)
        np.testing.assert_allclose(found, centers, atol=0.5)
        ahead = (frame.cam2ego @ [0, 0, 1, 0])[0]
        assert (ahead > 0) == ('FRONT' in frame.camera)


def test_bad_files_are_named(tmp_path, small_data):
    with pytest.raises(FileNotFoundError, match='prepare_nuscenes'):
        read_frames(tmp_path / 'none.json', '', CLASSES)
    (tmp_path / 'list.json').write_text('[]')
    with pytest.raises(ValueError, match='mono3d'):
        read_frames(tmp_path / 'list.json', '', CLASSES)
    with pytest.raises(FileNotFoundError, match='no image'):
        read_frames(small_data, tmp_path / 'elsewhere', CLASSES)[0].load()


def test_objects_and_records_of_a_result():
    box = [4.0, 1.5, 2.0, 1.0, 0.5, 10.0, 0.3]
    result = result_of([box] * 3, [0.2, 0.9, 0.5], [0, 1, 0], [[1.0, 2.0], [3, 4], [np.nan, 0]])
    objects = to_objects(result, 0.4)
    np.testing.assert_allclose(objects.boxes, [box] * 2, rtol=1e-6)
    assert objects.labels.tolist() == [1, 0]
    found = ImageDetections.from_result(result, CLASSES, np.eye(3), (96, 64))
    records = found.above(0.4).records()
    assert [record['score'] for record in records] == [0.9, 0.5]
    assert records[0] == {
        'class': 'pedestrian',
        'score': 0.9,
        'center': [1.0, 0.5, 10.0],
        'dimensions': [4.0, 1.5, 2.0],
        'yaw': 0.3,
        'velocity': [3.0, 4.0],
        'attribute': 'vehicle.parked',
    }
    assert 'velocity' not in records[1]
    json.dumps(records)
    nothing = ImageDetections.from_result(result_of([], [], []), CLASSES, np.eye(3), (96, 64))
    assert nothing.records() == [] and nothing.bboxes.shape == (0, 4)


def test_pictures_of_a_sample(small_data, tmp_path):
    frames = read_frames(small_data, small_data.parent, CLASSES)
    box = [4.0, 1.5, 2.0, 0.0, 0.5, 10.0, -1.57]
    results = [result_of([box], [0.9], [0])] * 5 + [result_of([], [], [])]
    done = []
    written = save_pictures(frames, results, tmp_path / 'vis', CLASSES, on_progress=done.append)
    assert done == [6]
    assert len(written) == 7 == len(list((tmp_path / 'vis').iterdir()))
    height, width = cv2.imread(str(written[0])).shape[:2]
    assert 576 < height < 640 and width == 864 + 576  # above a strip that names the classes
    with pytest.raises(ValueError, match='5 results for 6 images'):
        save_pictures(frames, results[:5], tmp_path / 'vis', CLASSES)


def test_evenly_spread():
    assert evenly_spread(5, None) == [0, 1, 2, 3, 4]
    assert evenly_spread(9, 3) == [0, 4, 8]
    assert evenly_spread(2, 5) == [0, 1]
    assert evenly_spread(5, 0) == []

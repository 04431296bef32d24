"""Makes the parts of benchmarks/ablation.py importable, as the script does, and small crops."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'benchmarks'))

CAM2IMG = [[200.0, 0, 160], [0, 200.0, 90], [0, 0, 1]]
# [x, y, z, l, h, w, yaw] about the middle of the box, as in the annotation files
CARS = [[1.0, 0.5, 9.0, 4.5, 1.7, 2.0, 0.3], [-4.0, 0.5, 8.0, 4.5, 1.7, 2.0, -2.0]]


@pytest.fixture(scope='session')
def small_nuscenes(tmp_path_factory):
    """One image 320 x 180 with two cars and a pedestrian, and LiDAR points in the cars."""
    root = tmp_path_factory.mktemp('nuscenes')
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (180, 320, 3), np.uint8)
    cv2.imwrite(str(root / 'image.png'), image)
    boxes = np.array(CARS)
    points = boxes[:, None, :3] + rng.uniform(-0.6, 0.6, (2, 300, 3))
    points = np.concatenate([points.reshape(-1, 3), np.zeros((600, 2))], 1)
    points.astype(np.float32).tofile(root / 'sweep.bin')
    boxes = [*CARS, [3.0, 0.5, 12.0, 0.8, 1.8, 0.7, 0.0]]
    annotations = [
        {
            'id': number,
            'image_id': 'one',
            'category_id': 7 if number == 2 else 0,
            'bbox_cam3d': box,
            'velo_cam3d': [0.0, 0.0],
            'attribute_id': 6,
            'iscrowd': 0,
            'truncation': 0.0,
            'visibility': 4,
        }
        for number, box in enumerate(boxes)
    ]
    for annotation in annotations:
        annotation.update(projected(annotation['bbox_cam3d']))
    content = {
        'images': [
            {
                'id': 'one',
                'file_name': 'image.png',
                'width': 320,
                'height': 180,
                'cam_intrinsic': CAM2IMG,
                'lidar_path': 'sweep.bin',
                'lidar2cam': np.eye(4).tolist(),
            }
        ],
        'annotations': annotations,
        'categories': [{'id': 0, 'name': 'car'}, {'id': 7, 'name': 'pedestrian'}],
    }
    (root / 'train.json').write_text(json.dumps(content))
    return root


def projected(box):
    """2D box and projected centre of a box."""
    from epropnp_det.datasets.completion import complete_annotations

    image = {'cam_intrinsic': CAM2IMG, 'width': 320, 'height': 180}
    found = complete_annotations(image, [{'bbox_cam3d': box}])[0]
    return {key: found[key] for key in ('bbox', 'area', 'center2d')}


@pytest.fixture(scope='session')
def crops(small_nuscenes, tmp_path_factory):
    """The folder of the crops of both cars, twice each; the same for training and validation."""
    from ablation_study.crops import CropSpec, make_crops

    out = tmp_path_factory.mktemp('objects')
    for name in ('train', 'val'):
        source = small_nuscenes / 'train.json'
        number = make_crops(source, small_nuscenes, out / f'{name}.json', CropSpec(copies=2))
        assert number == 4
    return out

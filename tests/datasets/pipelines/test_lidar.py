import numpy as np
import pytest
import torch
from mmcv.parallel import DataContainer, collate
from mmdet3d.datasets.pipelines import Compose

from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.pipelines import LoadLidarMono3D

INTRINSICS = np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
# x right, y forward, z up -> x right, y down, z forward
LIDAR2CAM = np.array([[1.0, 0, 0, 0.5], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
SWEEP = np.array(
    [  # LiDAR frame; the third and the sixth are in the image
        [0.0, -10, 0, 7, 0],  # behind
        [9.0, 10, 0, 7, 0],  # right of the image
        [0.0, 10, 1, 7, 0],  # (0.5, -1, 10) -> (37, 14)
        [np.nan, 10, 0, 7, 0],
        [0.0, 10, 30, 7, 0],  # above the image
        [-0.5, 20, -2, 7, 0],  # (0, 2, 20) -> (32, 34)
    ],
    dtype=np.float32,
)


@pytest.fixture
def results(tmp_path):
    SWEEP.tofile(tmp_path / 'sweep.bin')
    info = dict(filename='a.jpg', lidar_path='sweep.bin', lidar2cam=LIDAR2CAM.tolist())
    return dict(
        img_prefix=str(tmp_path),
        img_info=info,
        cam2img=INTRINSICS,
        img2net=np.eye(3, dtype=np.float32),
        ori_shape=(48, 64, 3),
        img_shape=(48, 64, 3),
    )


def points_of(results, **kwargs):
    return LoadLidarMono3D(**kwargs)(results)['lidar_points'].data


def test_keeps_what_the_camera_sees(results):
    expected = torch.tensor([[0.5, -1, 10, 37, 14], [0, 2, 20, 32, 34]])
    points = points_of(results)
    assert points.dtype == torch.float32
    torch.testing.assert_close(points, expected)


def test_keeps_what_the_canvas_shows_in_original_pixels(results):
    results['img2net'] = np.array([[-0.5, 0, 32], [0, 0.5, -10], [0, 0, 1]], dtype=np.float32)
    results['img_shape'] = (14, 32, 3)  # the upper 20 of 48 rows are cut off
    torch.testing.assert_close(points_of(results), torch.tensor([[0.0, 2, 20, 32, 34]]))


def test_min_depth(results):
    assert points_of(results, min_depth=15.0)[:, 2].tolist() == [20.0]


def test_subset_is_random_and_reproducible(results):
    sweep = np.tile(SWEEP[5], (500, 1))
    sweep[:, 1] += np.arange(500) / 1000
    sweep.tofile(results['img_prefix'] + '/sweep.bin')
    assert len(points_of(results)) == 500
    one, two, three = (
        points_of(results, max_points=100, rng=np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert len(one) == 100 and len(one[:, 2].unique()) == 100
    assert torch.equal(one, two) and not torch.equal(one, three)
    assert len(points_of(results, max_points=1000)) == 500


def test_without_lidar_there_are_no_points(results):
    results['img_info'] = {'filename': 'a.jpg'}
    assert points_of(results).shape == (0, 5)


def test_collates_without_stacking(results):
    absent = {**results, 'img_info': {'filename': 'b.jpg'}}
    step = LoadLidarMono3D()
    batch = collate([{'lidar_points': step(r)['lidar_points']} for r in (results, absent)], 2)
    assert isinstance(batch['lidar_points'], DataContainer)
    assert [len(points) for points in batch['lidar_points'].data[0]] == [2, 0]


def test_input_is_left_alone(results):
    before = dict(results)
    LoadLidarMono3D()(results)
    assert set(results) == set(before) and all(results[key] is before[key] for key in before)


def test_bad_input_is_refused(results):
    path = results['img_prefix'] + '/sweep.bin'
    with open(path, 'wb') as file:
        file.write(SWEEP.tobytes()[:-3])
    with pytest.raises(ValueError, match='cut short'):
        points_of(results)
    SWEEP[:, :4].tofile(path)
    assert len(points_of(results, num_features=4)) == 2
    with pytest.raises(ValueError, match='finite 4 x 4'):
        points_of({**results, 'img_info': {**results['img_info'], 'lidar2cam': [[1.0]]}})
    with pytest.raises(ValueError, match='no lidar2cam'):
        points_of({**results, 'img_info': {'lidar_path': 'sweep.bin'}})
    missing = {**results, 'img_info': {**results['img_info'], 'lidar_path': 'none.bin'}}
    with pytest.raises(FileNotFoundError, match='missing_ok'):
        points_of(missing)
    assert len(points_of(missing, missing_ok=True)) == 0
    with pytest.raises(ValueError, match='max_points'):
        LoadLidarMono3D(max_points=0)
    with pytest.raises(ValueError, match='num_features'):
        LoadLidarMono3D(num_features=2)


# ---- the real keyframe


def keyframe_items(keyframe_root, *steps):
    pipeline = [
        dict(type='LoadImageMono3D'),
        dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True, with_bbox=True),
        *steps,
        dict(type='LoadLidarMono3D'),
    ]
    dataset = NuScenesEProPnPDataset(
        data_root=str(keyframe_root),
        img_prefix=str(keyframe_root),
        ann_file=str(keyframe_root / 'nuscenes_infos_mono3d.coco.json'),
        pipeline=pipeline,
        filter_empty_gt=False,
    )
    return [dataset[index] for index in range(len(dataset))]


def inside(boxes, points):
    """Which points lie in which box, (n, P), by mmdet3d's corners."""
    corners = boxes.corners.numpy()  # (n, 8, 3)
    origin = corners[:, 0]
    axes = corners[:, [1, 3, 4]] - origin[:, None]
    lengths = np.square(axes).sum(-1)
    along = np.einsum('npd,nad->npa', points[None] - origin[:, None], axes) / lengths[:, None]
    return ((along >= 0) & (along <= 1)).all(-1)


def test_real_points_land_in_the_boxes(keyframe_root):
    hits, outside, total = [], 0, 0
    for item in keyframe_items(keyframe_root):
        points = item['lidar_points'].data.numpy()
        assert 3000 < len(points) < 6000
        np.testing.assert_allclose(  # pixels and depth are those of the camera
            (points[:, :3] @ item['cam2img'].T)[:, :2] / points[:, 2:3], points[:, 3:], atol=1e-2
        )
        for box, bbox in zip(inside(item['gt_bboxes_3d'], points[:, :3]), item['gt_bboxes']):
            pixels = points[box, 3:]
            hits.append(box.sum())
            total += len(pixels)
            outside += ((pixels < bbox[:2] - 1) | (pixels > bbox[2:] + 1)).any(1).sum()
    # nuScenes annotates what its LiDAR saw; the converter turns boxes upright, which costs a few
    assert np.mean(np.array(hits) > 0) > 0.9 and total > 1000
    assert outside / total < 0.01


def test_real_points_follow_crop_resize_and_flip(keyframe_root):
    plain = keyframe_items(keyframe_root)
    steps = (
        dict(type='ResizeMono3D', scale=0.5),
        dict(type='FlipMono3D', flip_ratio=1.0),
        dict(type='CropMono3D', top=114),
    )
    for before, after in zip(plain, keyframe_items(keyframe_root, *steps)):
        kept = before['lidar_points'].data
        kept = kept[kept[:, 4] >= 228]
        torch.testing.assert_close(after['lidar_points'].data, kept)


def test_works_in_the_stock_bundle(keyframe_root):
    compose = Compose(
        [
            dict(type='DefaultFormatBundle3D', class_names=['car']),
            dict(type='Collect3D', keys=['img', 'gt_bboxes_3d', 'lidar_points'], meta_keys=[]),
        ]
    )
    items = [compose(item) for item in keyframe_items(keyframe_root)[:2]]
    batch = collate(items, samples_per_gpu=2)
    assert [points.shape[1] for points in batch['lidar_points'].data[0]] == [5, 5]

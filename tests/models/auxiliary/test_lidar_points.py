"""LiDAR targets against loops, and on the real keyframe."""

import math

import pytest
import torch

from epropnp_det.boxes.instances import boxes3d_from_instance
from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.models.auxiliary import LidarPoints, cell_targets, object_points
from epropnp_det.models.auxiliary.objects import SupervisedObjects
from epropnp_det.models.structures import ImageGeometry


def objects_of(gt):
    num = len(gt.labels)
    return SupervisedObjects(
        gt.bboxes, gt.boxes3d, gt.img_inds, torch.zeros(num, 2, 4), gt.boxes3d[:, :3]
    )


def to_object_frame(xyz, box):
    x, y, z = (float(xyz[i] - box[3 + i]) for i in range(3))
    cos, sin = math.cos(box[6]), math.sin(box[6])
    return [cos * x - sin * z, y, sin * x + cos * z]


def loop_targets(lidar, gt, geometry, size):
    """One object, one point after the other."""
    cells = [[[[] for _ in range(size)] for _ in range(size)] for _ in gt.labels]
    for index, box in enumerate(gt.boxes3d):
        image = int(gt.img_inds[index])
        x1, y1, x2, y2 = gt.bboxes[index].tolist()
        for point in lidar[image]:
            x3d = to_object_frame(point, box)
            if any(abs(value) > float(dim) / 2 for value, dim in zip(x3d, box)):
                continue
            one = point.new_ones(1)
            x, y, _ = (geometry.img2net[image] @ torch.cat([point[3:], one])).tolist()
            width, height = geometry.net_size[image].tolist()
            if not (0 <= x < width and 0 <= y < height):
                continue
            column = min(max(math.floor((x - x1) / (x2 - x1) * size), 0), size - 1)
            row = min(max(math.floor((y - y1) / (y2 - y1) * size), 0), size - 1)
            cells[index][row][column].append(x3d)
    return cells


def test_cell_targets_equal_the_loop(make_scene):
    scene = make_scene()
    points = LidarPoints.pad(scene.lidar, scene.geometry)
    targets = cell_targets(points, objects_of(scene.gt), 5)
    expected = loop_targets(scene.lidar, scene.gt, scene.geometry, 5)
    filled = 0
    for index, rows in enumerate(expected):
        for cell, hits in enumerate([hits for row in rows for hits in row]):
            assert bool(targets.occupied[index, cell]) == bool(hits)
            mean = torch.tensor(hits).double().mean(0) if hits else torch.zeros(3).double()
            torch.testing.assert_close(targets.x3d[index, cell], mean)
            filled += bool(hits)
    assert 10 < filled < 60


def test_points_belong_to_their_image_and_padding_to_none(make_scene):
    scene = make_scene()
    scene.lidar[1] = scene.lidar[1][:7]
    points = LidarPoints.pad(scene.lidar, scene.geometry)
    assert points.xyz.shape == (2, 80, 3) and not points.valid[1, 7:].any()
    assert points.valid[0].any() and points.valid[1, :7].any()
    _, inside = object_points(points, objects_of(scene.gt))
    swapped = objects_of(scene.gt)._replace(img_inds=1 - scene.gt.img_inds)
    _, inside_other = object_points(points, swapped)
    assert inside.any(dim=1).all() and not inside_other[:2].any()


def test_points_off_the_canvas_do_not_count(make_scene):
    """docs/differences.md W21."""
    scene = make_scene()
    geometry = scene.geometry
    points = LidarPoints.pad(scene.lidar, geometry)
    half = geometry._replace(net_size=geometry.net_size * torch.tensor([0.5, 1.0]))
    fewer = LidarPoints.pad(scene.lidar, half)
    assert torch.equal(fewer.valid, points.valid & (points.locations[..., 0] < 32))
    assert 0 < fewer.valid.sum() < points.valid.sum()


@pytest.mark.parametrize('num_objects', [0, 3])
def test_nothing_to_see(make_scene, num_objects):
    scene = make_scene(num_objects=num_objects, per_object=0)
    points = LidarPoints.pad(scene.lidar, scene.geometry)
    assert points.xyz.shape == (2, 1, 3) and not points.valid.any()
    targets = cell_targets(points, objects_of(scene.gt), 4)
    assert targets.x3d.shape == (num_objects, 16, 3) and not targets.occupied.any()
    assert targets.x3d.isfinite().all()


def test_number_of_images_must_fit(make_scene):
    scene = make_scene()
    with pytest.raises(ValueError, match='1 for 2 images'):
        LidarPoints.pad(scene.lidar[:1], scene.geometry)


@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_real_targets_project_into_their_cells(keyframe_root, flip):
    dataset = NuScenesEProPnPDataset(
        data_root=str(keyframe_root),
        img_prefix=str(keyframe_root),
        ann_file=str(keyframe_root / 'nuscenes_infos_mono3d.coco.json'),
        pipeline=[
            dict(type='LoadImageMono3D'),
            dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True, with_bbox=True),
            dict(type='ResizeMono3D', scale=0.5),
            dict(type='FlipMono3D', flip_ratio=flip),
            dict(type='CropMono3D', top=114),
            dict(type='LoadLidarMono3D'),
        ],
    )
    items = [dataset[index] for index in (0, 1)]
    geometry = ImageGeometry.from_metas(items)
    counts = [len(item['gt_bboxes']) for item in items]
    bboxes = torch.cat([torch.from_numpy(item['gt_bboxes']) for item in items])
    boxes3d = torch.cat([boxes3d_from_instance(item['gt_bboxes_3d']) for item in items])
    img_inds = torch.repeat_interleave(torch.tensor([0, 1]), torch.tensor(counts))
    objects = SupervisedObjects(bboxes, boxes3d, img_inds, torch.zeros(0), boxes3d[:, :3])
    points = LidarPoints.pad([item['lidar_points'].data for item in items], geometry)

    _, inside = object_points(points, objects)
    assert (inside.sum(1) > 0).float().mean() > 0.9 and inside.sum() > 700
    size = 14
    targets = cell_targets(points, objects, size)
    assert (targets.occupied.sum(1) > 0).float().mean() > 0.9

    # a mean of points of one cell lies in that cell again, up to perspective
    cos, sin = boxes3d[:, None, 6].cos(), boxes3d[:, None, 6].sin()
    x, y, z = targets.x3d.unbind(-1)
    xyz = torch.stack([cos * x + sin * z, y, -sin * x + cos * z], -1) + boxes3d[:, None, 3:6]
    pixels = xyz @ geometry.cam2img[img_inds].transpose(1, 2)
    pixels = pixels[..., :2] / pixels[..., 2:]
    matrix = geometry.img2net[img_inds]
    located = pixels @ matrix[:, :2, :2].transpose(1, 2) + matrix[:, None, :2, 2]
    extent = (bboxes[:, 2:] - bboxes[:, :2])[:, None]
    relative = (located - bboxes[:, None, :2]) / extent * size
    cell = torch.stack([torch.arange(size**2) % size, torch.arange(size**2) // size], -1)
    misses = (relative - cell - 0.5).abs().amax(-1)[targets.occupied] - 0.5
    assert (misses < 0.05).float().mean() > 0.97

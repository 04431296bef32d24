"""Images of noise with three boxes and LiDAR points each, in double precision."""

import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.datasets.builder import DATASETS
from torch.utils.data import Dataset

WIDTH, HEIGHT, FOCAL = 160, 96, 120.0
CAM2IMG = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 3], [0, 0, 1]])


@DATASETS.register_module(force=True)
class NoiseScenes(Dataset):
    """As many objects in every image, since weights of samples have mean 1 in each process."""

    CLASSES = ('car', 'pedestrian')

    def __init__(self, size=16, test_mode=False):
        rng = np.random.default_rng(0)
        self.items = [_item(rng, index) for index in range(size)]
        self.flag = np.zeros(size, dtype=np.uint8)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def _item(rng, index):
    depth = rng.uniform(6, 25, 3)
    across = (np.arange(3) - 1 + rng.uniform(-0.2, 0.2, 3)) * 0.3 * WIDTH / FOCAL * depth
    center = np.stack([across, np.full(3, 0.6), depth], 1)
    extent = np.tile([4.4, 1.6, 1.9], (3, 1))
    rest = np.stack([rng.uniform(-3, 3, 3), *rng.uniform(-2, 2, (2, 3))], 1)
    boxes = CameraInstance3DBoxes(
        np.concatenate([center, extent, rest], 1), box_dim=9, origin=(0.5, 0.5, 0.5)
    )
    corners = _pixels(boxes.corners.numpy())
    limits = [WIDTH, HEIGHT]
    low, high = (np.clip(ends, 0, limits) for ends in (corners.min(1), corners.max(1)))
    points = (center[:, None] + rng.normal(0, 0.4, (3, 30, 3))).reshape(-1, 3)
    lidar = np.concatenate([points, _pixels(points)], 1)
    labels = torch.tensor([0, 1, 0])
    tensors = dict(
        gt_bboxes=torch.from_numpy(np.concatenate([low, high], 1)),
        gt_labels=labels,
        attr_labels=labels,
        lidar_points=torch.from_numpy(lidar),
    )
    metas = dict(
        sample_idx=f'token{index}',
        cam2img=CAM2IMG.tolist(),
        img2net=np.eye(3, dtype=np.float32),
        ori_shape=(HEIGHT, WIDTH, 3),
        img_shape=(HEIGHT, WIDTH, 3),
    )
    image = torch.from_numpy(rng.normal(size=(3, HEIGHT, WIDTH)))
    return {
        'img': DataContainer(image, stack=True),
        'img_metas': DataContainer(metas, cpu_only=True),
        'gt_bboxes_3d': DataContainer(boxes, cpu_only=True),
        **{name: DataContainer(value) for name, value in tensors.items()},
    }


def _pixels(points):
    located = points @ CAM2IMG.T
    return located[..., :2] / located[..., 2:]

"""A small scene: two images, the second one mirrored, three objects, LiDAR points on them."""

from types import SimpleNamespace

import pytest
import torch

from epropnp_det.models.structures import (
    DenseFeatures,
    GroundTruth,
    ImageGeometry,
    ObjectQueries,
    ObjectSamples,
)
from epropnp_det.pnp import PerspectiveCamera

STRIDE, WIDTH, HEIGHT = 8, 64, 40
BOXES3D = [
    [4.0, 1.6, 2.0, -1.0, 0.5, 12.0, 0.4],
    [4.2, 1.5, 1.8, 1.5, 0.4, 14.0, -2.0],
    [0.8, 1.8, 0.7, 0.3, 0.2, 9.0, 1.0],
]
IMG_INDS = [0, 0, 1]
CAM2IMG = [[110.0, 0, 66], [0, 110, 50], [0, 0, 1]]
PLAIN = [[0.5, 0, 0], [0, 0.5, -6], [0, 0, 1]]
MIRRORED = [[-0.5, 0, WIDTH], [0, 0.5, -6], [0, 0, 1]]


def make_geometry(matrices, dtype=torch.double):
    num = len(matrices)
    return ImageGeometry(
        cam2img=torch.tensor(CAM2IMG, dtype=dtype).expand(num, 3, 3),
        img2net=torch.tensor(matrices, dtype=dtype),
        img_size=torch.tensor([[128.0, 92.0]], dtype=dtype).expand(num, 2),
        net_size=torch.tensor([[float(WIDTH), float(HEIGHT)]], dtype=dtype).expand(num, 2),
    )


def make_gt(geometry, num_objects=3):
    """2D boxes are those of the projected corners."""
    boxes3d = torch.tensor(BOXES3D, dtype=torch.double)[:num_objects]
    img_inds = torch.tensor(IMG_INDS)[:num_objects]
    signs = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    corners = signs.double() * boxes3d[:, None, :3]
    camera = PerspectiveCamera(geometry.cam2img[img_inds])
    pixels = camera.project(corners, boxes3d[:, 3:])
    matrix = geometry.img2net[img_inds]
    located = pixels @ matrix[:, :2, :2].transpose(1, 2) + matrix[:, None, :2, 2]
    bboxes = torch.cat([located.amin(1), located.amax(1)], 1)
    limit = bboxes.new_tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    return GroundTruth(
        bboxes=torch.minimum(bboxes.clamp(min=0), limit),
        labels=torch.zeros(num_objects, dtype=torch.long),
        boxes3d=boxes3d,
        velocities=torch.zeros(num_objects, 2),
        attributes=torch.zeros(num_objects, dtype=torch.long),
        img_inds=img_inds,
    )


def make_lidar(gt, geometry, per_object=40, seed=0):
    """Points in and around every box: x, y, z and u, v per image."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.zeros(0, 5, dtype=torch.double) for _ in geometry.cam2img]
    for box, image in zip(gt.boxes3d, gt.img_inds.tolist()):
        x3d = (torch.rand(per_object, 3, generator=generator).double() - 0.5) * 1.5 * box[:3]
        cos, sin = box[6].cos(), box[6].sin()
        rotation = torch.stack(
            [
                torch.stack([cos, cos * 0, sin]),
                torch.tensor([0.0, 1, 0]).double(),
                torch.stack([-sin, sin * 0, cos]),
            ]
        )
        xyz = x3d @ rotation.T + box[3:6]
        pixels = (xyz @ geometry.cam2img[image].T)[:, :2] / xyz[:, 2:]
        rows[image] = torch.cat([rows[image], torch.cat([xyz, pixels], 1)])
    return rows


@pytest.fixture
def make_scene():
    def make(
        num_objects=3, samples_per_object=2, channels=8, matrices=(PLAIN, MIRRORED), per_object=40
    ):
        generator = torch.Generator().manual_seed(1)

        def randn(*shape):
            return torch.randn(*shape, generator=generator, dtype=torch.double)

        geometry = make_geometry(matrices)
        gt = make_gt(geometry, num_objects)
        gt_inds = torch.arange(num_objects).repeat(samples_per_object)
        num = len(gt_inds)
        size = (len(matrices), channels, HEIGHT // STRIDE, WIDTH // STRIDE)
        queries = ObjectQueries(
            embeddings=randn(num, channels),
            centers=randn(num, 2),
            strides=torch.full((num,), 8.0),
            img_inds=gt.img_inds[gt_inds],
            labels=gt.labels[gt_inds],
        )
        weights = torch.rand(num, generator=generator, dtype=torch.double) + 0.1
        return SimpleNamespace(
            geometry=geometry,
            gt=gt,
            features=DenseFeatures(randn(*size), randn(*size), STRIDE),
            samples=ObjectSamples(queries, gt_inds, weights, weights),
            query=randn(num, 2, channels // 2),
            dims=gt.boxes3d[gt_inds, :3] * (1 + 0.1 * randn(num, 3)),
            camera=PerspectiveCamera.from_image_size(geometry.cam2img, geometry.img_size),
            lidar=make_lidar(gt, geometry, per_object),
        )

    return make

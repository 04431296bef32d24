"""The height that an image shows, whatever was done to the image."""

import pytest
import torch
from mmdet3d.models import build_head

from epropnp_det.models.auxiliary import apparent_height
from epropnp_det.models.structures import GroundTruth, ImageGeometry, ObjectQueries, ObjectSamples

CAM2IMG = torch.tensor([[500.0, 0, 320], [0, 500, 180], [0, 0, 1]])
BOXES = torch.tensor([[4.0, 1.5, 2.0, 1.0, 0.5, 20.0, 0.3], [1.0, 2.0, 1.0, 0.0, 0.0, 50.0, 0.0]])


def image2network(zoom, mirrored=False):
    return torch.tensor([[-zoom if mirrored else zoom, 0, 30.0], [0, zoom, -7], [0, 0, 1]])


@pytest.mark.parametrize('mirrored', [False, True])
def test_is_focal_length_times_height_over_depth(mirrored):
    matrices = torch.stack([image2network(1.0, mirrored), image2network(0.5, mirrored)])
    height = apparent_height(BOXES, CAM2IMG.expand(2, 3, 3), matrices)
    torch.testing.assert_close(height, torch.tensor([500 * 1.5 / 20, 0.5 * 500 * 2 / 50]))


def test_is_finite_for_what_lies_beside_the_camera():
    beside = BOXES.clone()
    beside[:, 5] = torch.tensor([0.0, -2.0])
    height = apparent_height(beside, CAM2IMG.expand(2, 3, 3), torch.eye(3).expand(2, 3, 3))
    assert height.isfinite().all() and (height > 0).all()


def test_branch_counts_in_cells_of_the_level():
    """A bias of log 5 is right for 40 pixels at stride 8 and 80 at 16, and only for these."""
    branch = build_head(
        dict(type='ApparentSizeBranch', embed_dims=4, loss=dict(type='L1Loss', loss_weight=1.0))
    )
    torch.nn.init.zeros_(branch.branch.weight)
    torch.nn.init.constant_(branch.branch.bias, torch.tensor(5.0).log().item())
    heights = torch.tensor([40.0, 80.0, 80.0])
    boxes = torch.ones(3, 7)
    boxes[:, 1], boxes[:, 5] = heights * 20 / 500, 20.0
    zeros = torch.zeros(3, dtype=torch.long)
    gt = GroundTruth(torch.zeros(3, 4), zeros, boxes, torch.zeros(3, 2), zeros, zeros)
    queries = ObjectQueries(
        torch.randn(3, 4), torch.zeros(3, 2), torch.tensor([8.0, 16.0, 8.0]), zeros, zeros
    )
    samples = ObjectSamples(queries, torch.arange(3), torch.ones(3), torch.ones(3))
    size = torch.tensor([[640.0, 360.0]])
    geometry = ImageGeometry(CAM2IMG[None], torch.eye(3)[None], size, size)
    loss = branch(None, samples, gt, geometry, 3)['loss_apparent_size']
    torch.testing.assert_close(loss, torch.tensor(2.0).log() / 3)

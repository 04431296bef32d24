import pytest
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes

from epropnp_det.boxes.instances import (
    boxes3d_from_instance,
    instance_from_boxes3d,
    join_instances,
    velocities_from_instance,
)


def random_boxes(num, seed=0):
    generator = torch.Generator().manual_seed(seed)
    dims = torch.rand(num, 3, generator=generator) * 4 + 0.3
    centers = torch.randn(num, 3, generator=generator) * 10
    yaw = (torch.rand(num, 1, generator=generator) - 0.5) * 6
    return torch.cat([dims, centers, yaw], dim=-1)


def rotation(yaw):
    c, s = torch.cos(yaw), torch.sin(yaw)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    return torch.stack([c, zero, s, zero, one, zero, -s, zero, c], dim=-1).view(-1, 3, 3)


@pytest.mark.parametrize('num', [0, 1, 50])
def test_round_trip(num):
    boxes = random_boxes(num)
    velocities = torch.randn(num, 2)
    instance = instance_from_boxes3d(boxes, velocities)
    assert instance.tensor.shape == (num, 9)
    torch.testing.assert_close(boxes3d_from_instance(instance), boxes, atol=1e-5, rtol=0)
    torch.testing.assert_close(velocities_from_instance(instance), velocities)


def test_corners_follow_the_yaw_convention():
    """R(yaw) of docs/method.md 0 applied to (l, h, w) corners must be mmdet3d's corners."""
    boxes = random_boxes(40, seed=1)
    signs = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    corners = (signs * boxes[:, None, :3]) @ rotation(boxes[:, 6]).transpose(1, 2)
    corners = corners + boxes[:, None, 3:6]  # (n, 8, 3)
    expected = instance_from_boxes3d(boxes).corners[:, [0, 1, 3, 2, 4, 5, 7, 6]]
    torch.testing.assert_close(corners, expected, atol=1e-4, rtol=0)


def test_forward_axis_at_minus_half_pi_points_away_from_the_camera():
    forward = rotation(torch.tensor([-torch.pi / 2])) @ torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(forward[0], torch.tensor([0.0, 0, 1]), atol=1e-6, rtol=0)


def test_boxes_without_velocity_have_unknown_velocity():
    boxes = CameraInstance3DBoxes(torch.rand(3, 7), box_dim=7)
    assert velocities_from_instance(boxes).isnan().all()
    assert boxes3d_from_instance(boxes).shape == (3, 7)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r'\(n, 7\)'):
        instance_from_boxes3d(torch.rand(3, 6))
    with pytest.raises(ValueError, match='velocities'):
        instance_from_boxes3d(torch.rand(3, 7), torch.rand(2, 2))


def test_joins_boxes_with_and_without_velocity():
    moving = instance_from_boxes3d(random_boxes(2), torch.ones(2, 2))
    still = CameraInstance3DBoxes(instance_from_boxes3d(random_boxes(3, seed=1)).tensor[:, :7])
    nothing = instance_from_boxes3d(random_boxes(0))
    joined = join_instances([moving, nothing, still])
    parts = [boxes3d_from_instance(boxes) for boxes in (moving, still)]
    assert torch.equal(boxes3d_from_instance(joined), torch.cat(parts))
    velocities = velocities_from_instance(joined)
    assert velocities[:2].eq(1).all() and velocities[2:].isnan().all()

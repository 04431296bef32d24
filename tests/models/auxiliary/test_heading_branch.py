"""The direction that an image shows, and that mirroring an image mirrors it."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from epropnp_det.models.auxiliary import sight_heading

ANGLES = st.floats(-math.pi, math.pi)


def test_anchors():
    ahead = [0.0, 1.0, 20.0]
    poses = torch.tensor([[*ahead, 0.0], [*ahead, -math.pi / 2], [*ahead, math.pi / 2]])
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # to the right, away, towards
    torch.testing.assert_close(sight_heading(poses), expected, atol=1e-6, rtol=0)


@given(ANGLES, ANGLES, st.floats(1, 50))
def test_turning_the_object_about_the_camera_changes_nothing(yaw, turn, distance):
    def pose(angle):
        x, z = distance * math.sin(angle), distance * math.cos(angle)
        return torch.tensor([[x, 1.0, z, yaw + angle]], dtype=torch.float64)

    torch.testing.assert_close(sight_heading(pose(turn)), sight_heading(pose(0.0)))


@given(ANGLES, st.floats(-20, 20), st.floats(1, 50))
def test_mirroring_negates_the_part_to_the_right(yaw, x, z):
    pose = torch.tensor([[x, 1.0, z, yaw]], dtype=torch.float64)
    mirrored = torch.tensor([[-x, 1.0, z, math.pi - yaw]], dtype=torch.float64)
    expected = sight_heading(pose) * torch.tensor([-1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(sight_heading(mirrored), expected)

"""The direction that an image shows, and that mirroring an image mirrors it."""

import math

import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from epropnp_det.models.auxiliary import join_headings, sight_heading

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


def sight_pose(yaw, x=3.0, z=20.0):
    return torch.tensor([[x, 1.0, z, yaw]], dtype=torch.float64)


@given(ANGLES, st.floats(-3, 3), st.floats(-20, 20), st.floats(1, 50))
def test_two_equal_headings_meet_in_the_middle(yaw, turn, x, z):
    other = sight_heading(sight_pose(yaw + turn, x, z))
    joined = join_headings(sight_pose(yaw, x, z), other, 1.0)
    torch.testing.assert_close(joined, torch.tensor([turn / 2], dtype=torch.float64))


@given(ANGLES, ANGLES)
def test_what_is_sure_counts_more(yaw, other):
    pose, heading = sight_pose(yaw), sight_heading(sight_pose(other))
    turn = math.remainder(other - yaw, 2 * math.pi)
    found = [float(join_headings(pose, length * heading, 2.0)) for length in (0, 0.2, 1.0, 1e6)]
    assert found[0] == 0 and abs(math.remainder(found[3] - turn, 2 * math.pi)) < 1e-5
    by_hand = math.atan2(0.4 * math.sin(turn), 1 + 0.4 * math.cos(turn))
    assert abs(found[1] - by_hand) < 1e-9


@given(ANGLES, ANGLES, st.floats(-20, 20), st.floats(1, 50), st.floats(0, 2), st.floats(0, 5))
def test_a_pose_turns_round_if_the_mean_heading_is_behind_it(yaw, turn, x, z, length, weight):
    heading = length * sight_heading(sight_pose(yaw + turn, x, z))
    ahead = 1 + weight * length * math.cos(turn)  # the part of the mean along the pose's own
    assume(abs(ahead) > 1e-6)
    expected = torch.tensor([0.0 if ahead > 0 else math.pi], dtype=torch.float64)
    turns = join_headings(sight_pose(yaw, x, z), heading, weight, front_only=True)
    torch.testing.assert_close(turns, expected, atol=0, rtol=0)

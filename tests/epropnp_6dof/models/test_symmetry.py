"""What a symmetric object asks of losses and posterior, and what weighted points cannot say."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from epropnp_6dof.models.layer import Z_MIN, build_layer
from epropnp_6dof.models.pose_losses import PoseLosses, equivalent_costs
from epropnp_6dof.models.structures import Correspondences, Maps, Targets
from epropnp_6dof.objects.poses import equivalent_poses, pose_matrices, quaternion
from epropnp_det.pnp import PerspectiveCamera

HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])
SYMMETRIES = np.stack([np.eye(4), HALF_TURN])
CAM2IMG = np.array([[500.0, 0, 160], [0, 500, 120], [0, 0, 1]])


@pytest.fixture(scope='module')
def bricks():
    """Points on the seen side of 16 bricks, their pixels, and both true poses of each."""
    rng = np.random.default_rng(0)
    x3d, x2d, poses = [], [], []
    for rotation in Rotation.random(16, random_state=0).as_matrix():
        translation = np.array([*rng.uniform(-0.1, 0.1, 2), rng.uniform(0.7, 1.2)])
        points, normals = surface(rng, 2000)
        seen = points @ rotation.T + translation
        front = np.nonzero(((normals @ rotation.T) * seen).sum(1) < 0)[0][:120]
        pixels = seen[front] @ CAM2IMG.T
        x3d.append(points[front])
        x2d.append(pixels[:, :2] / pixels[:, 2:])
        pose = np.r_[translation, quaternion(rotation)]
        poses.append(equivalent_poses(pose[None], SYMMETRIES)[:, 0])
    arrays = (np.stack(found) for found in (x3d, x2d, poses))
    return [torch.from_numpy(array) for array in arrays]


def surface(rng, count):
    """Random points on a box of 12 x 6 x 4 cm, and the normals there."""
    half = np.array([0.06, 0.03, 0.02])
    points = rng.uniform(-1, 1, (count, 3))
    axis, side = rng.integers(0, 3, count), rng.choice([-1.0, 1.0], count)
    normals = np.zeros((count, 3))
    normals[np.arange(count), axis] = points[np.arange(count), axis] = side
    return points * half, normals


def camera_of(poses):
    return PerspectiveCamera(torch.from_numpy(CAM2IMG).expand(len(poses), 3, 3), Z_MIN)


def test_equivalent_poses_put_the_object_where_it_was():
    shifted = HALF_TURN.copy()
    shifted[:3, 3] = 0.02, -0.01, 0.03
    poses = np.array([[0.1, 0.0, 0.9, 0.8, 0.2, -0.4, 0.4]])
    poses[:, 3:] /= np.linalg.norm(poses[:, 3:])
    found = pose_matrices(equivalent_poses(poses, np.stack([np.eye(4), shifted]))[:, 0])
    point = np.array([0.03, 0.05, -0.02])
    there = found[1] @ [*point, 1]
    assert np.allclose(found[0], pose_matrices(poses)[0])
    assert np.allclose(there, found[0] @ (shifted @ [*point, 1]))


def test_points_shared_out_among_both_poses_hold_neither(bricks):
    """Why the losses ask for one of the poses: with half of the points, both modes are lost."""
    x3d, x2d, poses = bricks
    turned = x3d * x3d.new_tensor([-1.0, -1.0, 1.0])
    half = (torch.arange(x3d.size(1)) % 2 == 0)[:, None]
    weights = torch.full_like(x2d, 0.3)
    layer = build_layer(lm_iter=30)
    depth_errors = {}
    for name, points in (('one', x3d), ('both', torch.where(half, x3d, turned))):
        found = layer(points, x2d, weights, camera_of(poses), pose_init=poses[:, 0])
        depth_errors[name] = (found.pose[:, 2] / poses[:, 0, 2] - 1).abs()
    assert depth_errors['one'].max() < 1e-3
    assert depth_errors['both'].median() > 0.05


def test_losses_do_not_depend_on_which_pose_is_annotated(bricks):
    x3d, x2d, poses = bricks
    points = Correspondences(x3d, x2d, torch.full_like(x2d, 0.3))
    count = len(poses)
    maps = Maps(torch.zeros(count, 3, 4, 4), torch.zeros(count, 2, 4, 4), torch.ones(count, 2))
    noc = torch.rand(count, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = []
    for order in ([0, 1], [1, 0]):
        losses = PoseLosses(translation=1.0, rotation=1.0)
        targets = Targets(poses[:, order], noc[:, order], torch.ones(count, 4, 4))
        generator = torch.Generator().manual_seed(0)
        found.append(losses(build_layer(128), camera_of(poses), points, maps, targets, generator))
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], atol=1e-9), name
    assert found[0]['degrees'] < 0.1 and found[0]['loss_rotation'] < 1e-6


def test_the_other_pose_costs_nothing_if_the_points_speak_for_one(bricks):
    x3d, x2d, poses = bricks
    points = Correspondences(x3d, x2d, torch.full_like(x2d, 0.3))
    costs = equivalent_costs(build_layer().cost, points, camera_of(poses), poses)
    assert costs[:, 0].max() < 1e-6 < 1 < costs[:, 1].min()
    assert (-(-costs).logsumexp(1)).abs().max() < 1e-3

"""What is measured: true correspondences are perfect, shifted ones are off by the shift."""

import pytest
import torch
from ablation_study.measure import Recorder, Seen, coordinate_errors, judge, summary
from torch import nn

from epropnp_det.models.structures import Correspondences, GroundTruth, ObjectSamples
from epropnp_det.pnp import EProPnP4DoF, PerspectiveCamera, RSLMSolver

NUM, POINTS = 3, 48
CAM2IMG = [[100.0, 0, 32], [0, 100, 32], [0, 0, 1]]
BOXES = torch.tensor(
    [
        [4.5, 1.7, 2.0, 1.0, 0.5, 9.0, 0.3],
        [4.2, 1.6, 1.9, -1.0, 0.5, 10.0, -2],
        [4.7, 1.7, 2.1, 0.5, 0.4, 12.0, 1.5],
    ]
)


def correspondences(noc, x2d):
    num, points = noc.shape[:2]
    return Correspondences(
        noc=noc,
        x2d=x2d,
        weights=torch.full((num, points, 2), 1 / points),
        scale=torch.full((num, 2), 20.0),
        dims=BOXES[:num, :3],
        encoded_dims=torch.zeros(num, 3),
        score_logits=torch.zeros(num),
        velocities=torch.zeros(num, 2),
        attr_logits=torch.zeros(num, 9),
    )


@pytest.fixture
def scene():
    """True correspondences of three cars in three images, with LiDAR exactly on their points."""
    noc = torch.rand(NUM, POINTS, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    camera = PerspectiveCamera(torch.tensor(CAM2IMG).expand(NUM, 3, 3))
    x3d = noc * BOXES[:, None, :3]
    x2d = camera.project(x3d, BOXES[:, 3:])
    cos, sin = BOXES[:, 6, None].cos(), BOXES[:, 6, None].sin()
    x, y, z = x3d.unbind(-1)
    metres = torch.stack([cos * x + sin * z, y, cos * z - sin * x], -1) + BOXES[:, None, 3:6]
    labels = torch.zeros(NUM, dtype=torch.long)
    seen = Seen(correspondences(noc, x2d), camera, BOXES, torch.arange(NUM), labels)
    meta = dict(
        cam2img=CAM2IMG,
        img2net=[[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        ori_shape=(64, 64, 3),
        img_shape=(64, 64, 3),
        filename='car.png',
    )
    lidar = list(torch.cat([metres, x2d], -1))
    return seen, dict(img_metas=[meta] * NUM, lidar_points=lidar)


def head_of(seen):
    head = nn.Module()
    head.losses = Recorder()
    head.losses.seen = seen
    head.pnp_test = EProPnP4DoF(mc_samples=64, init_solver=RSLMSolver(16, 32))
    return head


def test_true_correspondences_are_perfect(scene):
    seen, batch = scene
    measured, shown = judge(head_of(seen), batch, torch.Generator().manual_seed(0))
    assert measured.position.max() < 1e-3 and measured.yaw.max() < 0.1
    assert measured.reprojection.max() < 1e-3
    assert (measured.ess > 0.05).all() and (measured.ess <= 1).all()
    assert shown.found == pytest.approx(BOXES.numpy(), abs=1e-2)
    values = summary(measured)
    assert values['objects'] == NUM and values['within_15_degrees'] == 1


def test_turned_coordinates_give_the_turn(scene):
    """Coordinates turned by 90 degrees describe a car turned by as much."""
    seen, batch = scene
    x, y, z = seen.correspondences.x3d.unbind(-1)
    turned = torch.stack([z, y, -x], -1) / BOXES[:, None, :3]
    seen = seen._replace(correspondences=correspondences(turned, seen.correspondences.x2d))
    measured, _ = judge(head_of(seen), batch, torch.Generator().manual_seed(0))
    assert measured.yaw == pytest.approx(90, abs=0.5)
    assert measured.position.max() < 1e-2 and measured.reprojection.min() > 2


def test_coordinates_are_compared_with_lidar(scene):
    seen, batch = scene
    share = seen.correspondences.weights.mean(-1)
    assert coordinate_errors(seen, share, batch).median() < 1e-4
    shifted = seen.correspondences.noc + torch.tensor([0.3, 0, 0]) / BOXES[:, None, :3]
    off = seen._replace(correspondences=correspondences(shifted, seen.correspondences.x2d))
    assert coordinate_errors(off, share, batch).median().item() == pytest.approx(0.3, abs=1e-3)
    batch['lidar_points'] = [rows[:0] for rows in batch['lidar_points']]
    assert coordinate_errors(seen, share, batch).isnan().all()


def test_recorder_keeps_the_most_central_sample_of_each_object():
    noc = torch.arange(4.0).view(4, 1, 1).expand(4, 2, 3)
    pred = correspondences(noc[:3], torch.zeros(3, 2, 2))
    none = torch.zeros(4, dtype=torch.long)
    gt = GroundTruth(
        torch.zeros(4, 4), none, torch.arange(4.0).view(4, 1).expand(4, 7), torch.zeros(4, 2),
        none, torch.tensor([0, 0, 1, 2]),
    )  # fmt: skip
    samples = ObjectSamples(
        None, torch.tensor([3, 1, 3]), torch.tensor([0.5, 1.0, 2.0]), torch.ones(3)
    )
    camera = PerspectiveCamera(torch.tensor(CAM2IMG).expand(3, 3, 3))
    recorder = Recorder()
    assert recorder(None, camera, pred, samples, gt, None, 3) == {}
    assert recorder.seen.correspondences.noc[:, 0, 0].tolist() == [1.0, 2.0]
    assert recorder.seen.boxes3d[:, 0].tolist() == [1.0, 3.0]
    assert recorder.seen.img_inds.tolist() == [0, 2]

"""What check_calibration.py says of posteriors that are right, too narrow and too wide."""

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from epropnp_det.models.builder import build_pnp
from support.scripts import load

OBJECTS, POINTS, PIXELS = 300, 24, 1.5
COST = dict(type='AdaptiveHuberCost', relative_delta=1e3)  # a square: noise is normal here


@pytest.fixture(scope='module')
def tool(repository):
    sys.path.insert(0, str(repository / 'benchmarks'))
    yield load(repository / 'benchmarks' / 'check_calibration.py')
    sys.path.remove(str(repository / 'benchmarks'))


@pytest.fixture(scope='module')
def pnp():
    config = dict(
        type='EProPnP4DoF',
        mc_samples=256,
        num_iter=4,
        normalize=True,
        cost=COST,
        solver=dict(type='LMSolver', num_iter=10),
        init_solver=dict(type='RSLMSolver', num_points=8, num_proposals=32, num_iter=3),
    )
    return build_pnp(config, 'pnp')


@pytest.fixture(scope='module')
def seen():
    """Objects whose image points have normal noise of ``PIXELS``, which their weights know."""
    torch.manual_seed(0)
    uniform = torch.rand(OBJECTS, 4)
    truth = torch.tensor([-4.0, 0.5, 10.0, -3.0]) + uniform * torch.tensor([8.0, 1.0, 10.0, 6.0])
    x3d = (torch.rand(OBJECTS, POINTS, 3) - 0.5) * torch.tensor([4.0, 1.6, 1.8])
    cos, sin = truth[:, 3].cos(), truth[:, 3].sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rotation = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], 1).view(-1, 3, 3)
    spot = x3d @ rotation.mT + truth[:, None, :3]
    cam2img = torch.tensor([[500.0, 0, 320], [0, 500, 180], [0, 0, 1]]).expand(OBJECTS, 3, 3)
    homogeneous = spot @ cam2img.mT
    x2d = homogeneous[..., :2] / homogeneous[..., 2:]
    x2d = x2d + PIXELS * torch.randn_like(x2d)
    camera = build_pnp(dict(type='PerspectiveCamera', border=1e4), 'camera')
    return SimpleNamespace(
        correspondences=SimpleNamespace(x3d=x3d, x2d=x2d, w2d=torch.full_like(x2d, 1 / PIXELS)),
        camera=camera(cam2img, torch.tensor([640.0, 360.0]).expand(OBJECTS, 2)),
        boxes3d=torch.cat([torch.tensor([4.0, 1.6, 1.8]).expand(OBJECTS, 3), truth], 1),
        labels=torch.arange(OBJECTS) % 2,
    )


def coverage(ranks, level):
    return (ranks <= level).mean()


def test_a_right_posterior_covers_what_it_says(tool, pnp, seen):
    judged = tool.judge(pnp, seen, 1.0)
    # three deviations of a share of 300 objects, and a little for sampling
    for ranks in (judged.position, judged.yaw):
        assert coverage(ranks, 0.5) == pytest.approx(0.5, abs=0.1)
        assert coverage(ranks, 0.9) == pytest.approx(0.9, abs=0.06)
    assert np.median(judged.normalised) == pytest.approx(0.89, abs=0.15)  # of a chi with 3 degrees
    assert np.abs(judged.error[:, 3]).max() < 1.0


def test_temperature_mends_a_posterior_that_is_too_narrow(tool, pnp, seen):
    points = seen.correspondences
    narrow = SimpleNamespace(x3d=points.x3d, x2d=points.x2d, w2d=3 * points.w2d)
    seen = SimpleNamespace(**{**vars(seen), 'correspondences': narrow})
    sharp, mended = tool.judge(pnp, seen, 1.0), tool.judge(pnp, seen, 9.0)
    wide = tool.judge(pnp, seen, 81.0)
    assert coverage(sharp.position, 0.9) < 0.5 < 0.84 < coverage(mended.position, 0.9)
    assert coverage(wide.position, 0.5) > 0.9
    assert np.nanmean(mended.nll) < min(np.nanmean(sharp.nll), np.nanmean(wide.nll))


def test_constant_covariance_has_the_likelihood_of_a_normal_density(tool):
    errors = np.random.default_rng(0).normal(size=(20000, 4)) * [1.0, 2.0, 3.0, 0.1]
    entropy = 2 * math.log(2 * math.pi * math.e) + math.log(1 * 2 * 3 * 0.1)
    assert tool.constant_nll(errors, errors) == pytest.approx(entropy, abs=0.02)
    assert tool.constant_nll(errors, 2 * errors) == pytest.approx(entropy + 4 * 3 / 2, abs=0.1)


def test_groups_of_few_objects_get_no_row(tool, pnp, seen):
    judged = tool.judge(pnp, seen, 1.0)
    table = tool.table(judged, ('car', 'bus', 'barrier'))
    named = [line.split('|')[1].strip() for line in table.splitlines()]
    assert named == ['objects', '---', 'all', 'car', 'bus', '0 to 15 m', '15 to 30 m']
    assert f'| all | {OBJECTS} |' in table and f'| car | {OBJECTS // 2} |' in table


def test_missing_files_are_named(tool, monkeypatch, tmp_path):
    arguments = ['no.json', '--train', 'no.json', '--calibrate', 'no.json', '--out', str(tmp_path)]
    monkeypatch.setattr(sys, 'argv', ['check_calibration', *arguments])
    with pytest.raises(SystemExit, match='error: .*no annotation file no.json'):
        tool.main()

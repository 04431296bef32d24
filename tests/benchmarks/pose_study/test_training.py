"""A short training of tiny networks, and the whole command on a tiny packed data set."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
import train_6dof
from mmcv import Config
from pose_study.jobs import BASE, JOBS, TINY, Job, network_config
from pose_study.learner import Learner, loss_factors, rate_at
from pose_study.material import Material, objects_entry

from epropnp_6dof.apis import init_estimator, objects_of
from epropnp_det.engine.config import plain_config


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'backgrounds').mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'backgrounds' / '000.jpg'), noise)
    return tmp_path


@pytest.fixture
def small(monkeypatch):
    """Jobs that a processor can do."""
    net = TINY._replace(base=8, channels=(16, 16, 16), points=32, samples=16)
    for name, job in list(JOBS.items()):
        nets = {key: (net, losses) for key, (_, losses) in job.nets.items()}
        small_job = job._replace(nets=nets, real=2 if job.real else 0, views=2, pool=4, renew=1)
        monkeypatch.setitem(JOBS, name, small_job._replace(marks=()))


def test_steps_move_network_and_average_and_skip_bad_numbers(folder, small):
    job = JOBS['brick']
    material = Material('brick', job, folder, 'cpu')
    cfg = network_config(job.nets['brick'][0], {}, objects_entry(material.model))
    learner = Learner('brick', cfg, job, 'cpu')
    before = [p.clone() for p in learner.average.parameters()]
    material.views.renew(2)
    images, crops, targets = material.batch()
    learner.step((images, crops, targets), 0.05)
    assert learner.steps == 1 and torch.isfinite(torch.tensor(learner.log['norm']))
    moved = [p.clone() for p in learner.average.parameters()]
    assert any((a != b).any() for a, b in zip(before, moved))
    learner.step((images * float('nan'), crops, targets), 0.05)
    assert (learner.steps, learner.skipped) == (1, 1)
    assert all((a == b).all() for a, b in zip(moved, learner.average.parameters()))


def test_schedules():
    assert rate_at(0) == 1e-3 and rate_at(0.03) > 0.99 and rate_at(1) == 1e-3
    assert rate_at(0.5) == pytest.approx(0.5)
    assert loss_factors(0.0, False) == pytest.approx(
        {'loss_coordinate': 1, 'loss_pose': 0.2, 'loss_translation': 0.2, 'loss_rotation': 0.2}
    )
    assert loss_factors(0.5, True)['loss_coordinate'] == 0
    assert loss_factors(0.5, False)['loss_pose'] == 1


def test_jobs_differ_in_losses_alone():
    nets = JOBS['ablation'].nets
    assert isinstance(JOBS['ablation'], Job) and len({net for net, _ in nets.values()}) == 1
    config = network_config(*nets['no_model'])
    assert config.model.losses.coordinate == 0 and config.model.losses.monte_carlo > 0


def test_the_main_job_trains_the_network_that_ships():
    shipped = Config.fromfile(BASE.with_name('epropnp_6dof_r18_linemod_cat.py'))
    assert plain_config(network_config(*JOBS['main'].nets['main'])) == plain_config(shipped)


def test_the_command_packs_trains_and_tests(block_images, tmp_path, small, monkeypatch, capsys):
    packed, out = tmp_path / 'packed', tmp_path / 'out'
    command = ['train_6dof.py', 'pack', str(block_images), str(packed), '--object', '1']
    monkeypatch.setattr(sys, 'argv', command)
    train_6dof.main()
    for job in ('main', 'brick'):
        command = ['train_6dof.py', job, str(packed), str(out), '--seconds', '1']
        monkeypatch.setattr(sys, 'argv', [*command, '--device', 'cpu'])
        train_6dof.main()
    curve = json.loads((out / 'main_curve.json').read_text())
    assert [entry['kind'] for entry in curve] == ['average', 'last']
    assert 0 <= curve[0]['ADD 0.1d'] <= 100 and curve[0]['step'] >= 1
    assert objects_of(init_estimator(out / 'brick.pth', device='cpu'))[4].symmetric
    assert 'solver, 100 poses' in capsys.readouterr().out

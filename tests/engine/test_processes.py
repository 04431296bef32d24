"""Two gloo processes against one, on the CPU."""

import json
import math

import pytest
import torch

from epropnp_det.engine import predict_dataset, start_processes
from support.engine_runs import assert_same, reserved_port, start, state_of, train_here, wait
from support.engine_tiny import tiny_config


def train_two(work_dir, changes, validate=False):
    train_here(tiny_config(work_dir, **changes), distributed=True, validate=validate)


def test_two_processes_equal_one_with_twice_the_batch(train, tmp_path):
    """Order, augmentation and normaliser do not depend on the number of processes."""
    same = {'model.dropout': 0.0, 'model.norm': False}
    one = {**same, 'data.samples_per_gpu': 4, 'runner.max_epochs': 4}
    two = {**same, 'data.samples_per_gpu': 2, 'runner.max_epochs': 4}
    train('one', **one)
    assert wait(start(train_two, tmp_path / 'two', two, processes=2)) == [0, 0]
    first, second = (torch.load(tmp_path / name / 'latest.pth') for name in ('one', 'two'))
    assert first['meta']['iter'] == second['meta']['iter'] == 24
    for name, value in first['state_dict'].items():
        torch.testing.assert_close(second['state_dict'][name], value, atol=1e-4, rtol=1e-4)
    losses = [
        [
            json.loads(line)['loss']
            for line in (tmp_path / n / 'now.log.json').read_text().splitlines()[1:]
        ]
        for n in ('one', 'two')
    ]
    assert len(losses[0]) == 24
    assert losses[1] == pytest.approx(losses[0], abs=2e-4)  # the log has five digits


def test_going_on_in_two_processes_bit_for_bit(tmp_path):
    hook = dict(type='SaveLatestHook', interval=1)
    whole = {'custom_hooks': [hook], 'data.samples_per_gpu': 2}
    assert wait(start(train_two, tmp_path / 'whole', whole, processes=2)) == [0, 0]
    assert wait(start(interrupted, tmp_path / 'part', whole, processes=2)) == [1, 1]
    rest = {**whole, 'auto_resume': True}
    assert wait(start(train_two, tmp_path / 'part', rest, processes=2)) == [0, 0]
    assert_same(*(state_of(tmp_path / name / 'latest.pth') for name in ('whole', 'part')))


def interrupted(work_dir, changes):
    from epropnp_det.engine import NanSafeOptimizerHook

    original = NanSafeOptimizerHook.after_train_iter

    def interrupt(self, runner):
        original(self, runner)
        if runner.iter == 8:
            raise SystemExit

    NanSafeOptimizerHook.after_train_iter = interrupt
    train_two(work_dir, changes)


@pytest.mark.parametrize('tmpdir', [None, 'parts'])
def test_evaluation_is_shared_and_gathered_in_order(tmpdir, train, tmp_path):
    """Five images: one process must predict three, the other two and one of them again."""
    tmpdir = tmpdir and str(tmp_path / tmpdir)
    assert wait(start(predict_two, tmp_path, tmpdir, processes=2)) == [0, 0]
    expected = predict_one(tmp_path)
    assert json.loads((tmp_path / 'rank0.json').read_text()) == pytest.approx(expected, abs=1e-6)
    assert (tmp_path / 'rank1.json').read_text() == 'null'
    assert (tmp_path / 'shares.txt').read_text().split() == ['3', '3']


def predict_one(folder, dist=False, tmpdir=None):
    from mmdet.datasets import build_dataloader
    from mmdet3d.datasets import build_dataset
    from mmdet3d.models import build_model

    cfg = tiny_config(folder)
    loader = build_dataloader(
        build_dataset(dict(type='TinyImages', size=5, test_mode=True)),
        1,
        0,
        dist=dist,
        shuffle=False,
    )
    if dist:
        with open(folder / 'shares.txt', 'a') as file:
            file.write(f'{len(loader)}\n')
    return predict_dataset(build_model(cfg.model).eval(), loader, False, tmpdir)


def predict_two(folder, tmpdir):
    found = predict_one(folder, True, tmpdir)
    rank = torch.distributed.get_rank()
    (folder / f'rank{rank}.json').write_text(json.dumps(found))


def test_validates_while_training_in_two_processes(tmp_path):
    changes = {'evaluation.interval': 1, 'runner.max_epochs': 1, 'data.samples_per_gpu': 2}
    assert wait(start(train_two, tmp_path, changes, True, processes=2)) == [0, 0]
    lines = [json.loads(line) for line in (tmp_path / 'now.log.json').read_text().splitlines()]
    assert [math.isfinite(line['error']) for line in lines if 'error' in line] == [True]


def test_a_launcher_that_is_not_there_is_named(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)
    for launcher, cure in (('pytorch', 'torchrun'), ('slurm', 'srun'), ('mpi', 'mpirun')):
        with pytest.raises(ValueError, match=cure):
            start_processes(launcher, 'cpu')


def start_as(launcher, environment):
    import os

    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        os.environ.pop(name, None)
    os.environ.update(environment)
    start_processes(launcher, 'cpu')
    assert torch.distributed.get_rank() == 0 and torch.distributed.get_world_size() == 1


@pytest.mark.parametrize(
    'launcher, prefix, names',
    [
        ('slurm', 'SLURM_', {'PROCID': '0', 'NTASKS': '1', 'LOCALID': '0'}),
        ('mpi', 'OMPI_COMM_WORLD_', {'RANK': '0', 'SIZE': '1', 'LOCAL_RANK': '0'}),
    ],
)
def test_other_launchers_on_a_cpu(launcher, prefix, names):
    environment = {prefix + name: value for name, value in names.items()}
    with reserved_port() as port:
        environment.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
        assert wait(start(start_as, launcher, environment)) == [0]

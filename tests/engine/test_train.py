"""Training in one process, by the parts of the engine together."""

import copy
import json
import math
import os

import pytest
import torch
from mmcv.parallel import DataContainer
from mmdet3d.models import build_model

from epropnp_det.engine import CpuDataParallel, select_device
from support.engine_runs import assert_same, train_here
from support.engine_tiny import tiny_config


def log_of(folder):
    lines = [json.loads(line) for line in (folder / 'now.log.json').read_text().splitlines()]
    return [line for line in lines if 'mode' in line]


def test_trains_and_writes_checkpoints_that_say_where_they_stand(train, tmp_path):
    model = train(validate=False)
    saved = torch.load(tmp_path / 'work' / 'latest.pth')
    assert_same(saved['state_dict'], model.state_dict())
    assert {k: saved['meta'][k] for k in ('epoch', 'iter', 'batches_done', 'seed')} == {
        'epoch': 3,
        'iter': 18,
        'batches_done': 0,
        'seed': 0,
    }
    assert len(saved['optimizer']['state']) == len(list(model.parameters()))
    log = log_of(tmp_path / 'work')
    assert len(log) == 18 and all(math.isfinite(line['grad_norm']) for line in log)
    assert log[-1]['loss'] == pytest.approx(log[-1]['loss_main'] + log[-1]['loss_size'], rel=1e-3)
    assert log[-1]['loss'] < log[0]['loss']


@pytest.mark.parametrize('runner', ['ResumableEpochRunner', 'ResumableIterRunner'])
def test_validates_and_goes_on_training(runner, train, tmp_path):
    iterations = runner == 'ResumableIterRunner'
    changes = {
        'runner': dict(
            _delete_=True, type=runner, **{'max_iters' if iterations else 'max_epochs': 2}
        ),
        'evaluation.interval': 1,
        'evaluation.save_best': 'error',
        'evaluation.rule': 'less',
    }
    model = train(validate=True, **changes)
    assert model.training
    assert len([line for line in log_of(tmp_path / 'work') if 'error' in line]) == 2
    assert list((tmp_path / 'work').glob('best_error_*.pth'))


def test_same_seed_same_parameters_whatever_the_workers(train, tmp_path):
    first = train('a').state_dict()
    assert_same(first, train('b', **{'data.workers_per_gpu': 1}).state_dict())
    other = train('c', seed=1).state_dict()
    assert not torch.equal(first['features.0.weight'], other['features.0.weight'])


def test_accumulation_equals_the_large_batch(train):
    """Without what sees the parts one after the other: batch norm, dropout, running means."""
    plain = {
        'model.dropout': 0.0,
        'model.norm': False,
        'model.momentum': 0.0,
        'lr_config': dict(_delete_=True, policy='fixed'),
    }
    whole = train('a', **plain).state_dict()
    halves = {**plain, 'data.samples_per_gpu': 2, 'optimizer_config.cumulative_iters': 2}
    for name, value in train('b', **halves).state_dict().items():
        torch.testing.assert_close(value, whole[name], atol=1e-3, rtol=1e-3)


def test_bfloat16_trains_alike(train, tmp_path):
    train('a')
    train('b', **{'runner.autocast': 'bfloat16'})
    full, half = (log_of(tmp_path / name) for name in 'ab')
    assert half[0]['loss'] != full[0]['loss']
    assert half[0]['loss'] == pytest.approx(full[0]['loss'], rel=0.05)
    with pytest.raises(ValueError, match='bfloat16'):
        train('c', **{'runner.autocast': 'float16'})


def test_loads_weights_without_going_on(train, tmp_path):
    train('a')
    train('b', load_from=str(tmp_path / 'a' / 'latest.pth'), **{'runner.max_epochs': 1})
    saved = torch.load(tmp_path / 'b' / 'latest.pth')
    assert saved['meta']['iter'] == 6
    log = log_of(tmp_path / 'b')
    assert log[0]['loss'] < log_of(tmp_path / 'a')[0]['loss']


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


@pytest.mark.parametrize('key', ['load_from', 'resume_from'])
def test_starts_from_files_that_run_no_code(key, train, tmp_path):
    trace, path = tmp_path / 'trace', tmp_path / 'a.pth'
    train('a')
    content = torch.load(tmp_path / 'a' / 'latest.pth')
    torch.save({**content, 'bomb': Bomb(trace)}, path)
    with pytest.raises(ValueError, match='trust its source'):
        train('b', **{key: str(path)})
    assert not trace.exists()
    train('c', **{key: str(path), 'trust_checkpoints': True})
    assert trace.exists()


def test_refuses_to_start_from_another_model_or_nothing(train, tmp_path):
    torch.save({'state_dict': {'weight': torch.ones(1)}}, tmp_path / 'other.pth')
    for name, error, match in (
        ('other.pth', ValueError, 'belongs to another model'),
        ('none.pth', FileNotFoundError, 'no checkpoint'),
    ):
        with pytest.raises(error, match=match):
            train(load_from=str(tmp_path / name))


def test_says_before_training_that_it_cannot_write(train, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    trace = tmp_path / 'trace'
    with pytest.raises(OSError, match='pass another --work-dir'):
        train('file/work', **{'data.train.log': str(trace)})
    usage = os.statvfs_result
    assert usage  # the real one is not asked
    monkeypatch.setattr('shutil.disk_usage', lambda path: type('Usage', (), {'free': 2**20})())
    with pytest.raises(OSError, match='has 1 MiB of room.* need 64 MiB'):
        train(**{'data.train.log': str(trace)})
    assert not trace.exists()


def test_full_disk_costs_a_checkpoint_and_not_the_run(train, tmp_path, monkeypatch):
    from epropnp_det.engine import runners

    write, calls = runners.write_checkpoint, []

    def full_at_first(content, path, force):
        calls.append(path.name)
        if len(calls) in self_full:
            raise OSError(28, 'No space left on device')
        return write(content, path, force)

    monkeypatch.setattr(runners, 'write_checkpoint', full_at_first)
    self_full = {2}
    train()
    names = {path.name for path in (tmp_path / 'work').glob('epoch_*.pth')}
    assert names == {'epoch_1.pth', 'epoch_3.pth'}
    calls.clear()
    self_full = {3}
    with pytest.raises(OSError, match='No space left'):
        train('other')
    assert (tmp_path / 'other' / 'latest.pth').resolve().name == 'epoch_2.pth'


def test_leaves_the_config_alone(tmp_path):
    cfg = tiny_config(tmp_path / 'work')
    before = copy.deepcopy(cfg)
    train_here(cfg)
    assert cfg.pretty_text == before.pretty_text


def test_select_device(monkeypatch):
    assert select_device('cpu') == 'cpu'
    with pytest.raises(ValueError, match="'cpu', 'cuda'"):
        select_device('gpu')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert select_device() == 'cpu'
    with pytest.raises(ValueError, match='--device cpu'):
        select_device('cuda:0')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert select_device() == 'cuda'
    assert select_device('cuda:1') == 'cuda:1'
    with pytest.raises(ValueError, match='2 GPUs'):
        select_device('cuda:2')


def test_cpu_parallel_stays_on_the_cpu(tmp_path, monkeypatch):
    """Also on a machine with a GPU, where the stock class would move to it."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    model = CpuDataParallel(build_model(tiny_config(tmp_path).model), device_ids=[0])
    assert model.device_ids == []
    data = {
        'img': DataContainer([torch.ones(2, 3, 8, 8)], stack=True),
        'target': DataContainer([torch.ones(2)], stack=True),
        'img_metas': DataContainer([[{}, {}]], cpu_only=True),
    }
    assert math.isfinite(model.train_step(data, None)['loss'].item())

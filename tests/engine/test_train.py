import copy
import json

import pytest
import torch
from mmcv.parallel import DataContainer
from mmdet3d.datasets import NuScenesMonoDataset, build_dataset
from mmdet3d.models import build_model

from epropnp_det.apis import CpuDataParallel, select_device, train_detector


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """mmcv's runners sleep two seconds before each epoch."""
    monkeypatch.setattr('mmcv.runner.epoch_based_runner.time.sleep', lambda seconds: None)


def train(config, **kwargs):
    config.device = 'cpu'
    model = build_model(config.model)
    train_detector(model, [build_dataset(config.data.train)], config, timestamp='now', **kwargs)
    return model


def test_trains_on_cpu_and_writes_a_checkpoint(config, tmp_path):
    model = train(config, meta={'seed': 0})
    # 6 images in batches of 2, 2 epochs: 6 steps of SGD with lr 0.1 and gradient -1
    assert model.depth.item() == pytest.approx(5.6)
    saved = torch.load(tmp_path / 'work' / 'epoch_2.pth')
    assert saved['state_dict']['depth'].item() == pytest.approx(5.6)
    assert saved['meta']['seed'] == 0


def test_validates_with_a_dataset_of_mmdet3d(config, tmp_path, monkeypatch):
    seen = []

    def evaluate(self, results, logger=None, **kwargs):
        seen.append((self.test_mode, len(results), kwargs))
        return {'score': 0.25}

    monkeypatch.setattr(NuScenesMonoDataset, 'evaluate', evaluate)
    config.evaluation['metric'] = 'bbox'
    train(config, validate=True)
    assert seen == [(True, 6, {'metric': 'bbox'})]
    log = (tmp_path / 'work' / 'now.log.json').read_text().splitlines()
    entries = [json.loads(line) for line in log]
    assert [entry['score'] for entry in entries if entry.get('mode') == 'val'] == [0.25]


def test_resumes(config, tmp_path):
    train(config)
    config.resume_from = str(tmp_path / 'work' / 'epoch_2.pth')
    config.runner.max_epochs = 3
    assert train(config).depth.item() == pytest.approx(5.9)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


@pytest.mark.parametrize('key', ['load_from', 'resume_from'])
def test_starts_from_files_that_run_no_code(key, config, tmp_path):
    trace, path = tmp_path / 'trace', tmp_path / 'a.pth'
    train(config)
    content = torch.load(tmp_path / 'work' / 'epoch_2.pth')
    torch.save({**content, 'bomb': Bomb(trace)}, path)
    config[key] = str(path)
    with pytest.raises(ValueError, match='trust its source'):
        train(config)
    assert not trace.exists()
    config.trust_checkpoints = True
    train(config)
    assert trace.exists()


def test_refuses_to_start_from_another_model_or_nothing(config, tmp_path):
    torch.save({'state_dict': {'weight': torch.ones(1)}}, tmp_path / 'other.pth')
    for name, error, match in (
        ('other.pth', ValueError, 'belongs to another model'),
        ('none.pth', FileNotFoundError, 'no checkpoint'),
    ):
        config.load_from = str(tmp_path / name)
        with pytest.raises(error, match=match):
            train(config)


def test_leaves_the_config_alone(config):
    config.device = 'cpu'
    before = copy.deepcopy(config)
    train(config)
    assert config.pretty_text == before.pretty_text


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


def test_cpu_parallel_stays_on_the_cpu(config, monkeypatch):
    """Also on a machine with a GPU, where the stock class would move to it."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    model = CpuDataParallel(build_model(config.model), device_ids=[0])
    assert model.device_ids == []
    data = {'img': DataContainer([torch.ones(2, 3, 4, 4)], stack=True)}
    assert model.train_step(data, None)['loss'].item() == 5.0

import os

import pytest
import torch
from mmcv.parallel import DataContainer, collate, scatter
from torch import nn

from epropnp_det.engine import parallel
from epropnp_det.engine.parallel import DistributedDataParallel, GpuDataParallel, to_device


@pytest.fixture
def batch():
    """Two samples, collated as mmcv does."""
    samples = [
        {
            'img': DataContainer(torch.full((3, 4, 4), float(number)), stack=True),
            'boxes': DataContainer(torch.arange(6.0).view(2, 3)[:number]),
            'metas': DataContainer({'number': number}, cpu_only=True),
            'index': torch.tensor(number),
        }
        for number in (1, 2)
    ]
    return collate(samples, samples_per_gpu=2)


class Model(nn.Module):
    """Notes where its input is."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, img, boxes, metas, index):
        devices = {img.device.type, index.device.type, *(box.device.type for box in boxes)}
        return (img * self.weight).sum(), devices, metas

    def train_step(self, data, optimizer):
        return self(**data)


def same(a, b):
    """Whether two nests are of the same types and values."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def test_unpacks_as_mmcv_does_on_the_cpu(batch):
    nest = {'batch': batch, 'pair': (torch.ones(2), 'text'), 'none': None, 'empty': [], 'n': 3}
    assert same(to_device(nest, 'cpu'), scatter(nest, [-1])[0])


def test_moves_all_but_what_is_for_the_cpu(batch):
    moved = to_device(batch, 'meta')  # a device that every machine has
    assert moved['img'].device.type == moved['index'].device.type == 'meta'
    assert [box.device.type for box in moved['boxes']] == ['meta', 'meta']
    assert moved['metas'] == [{'number': 1}, {'number': 2}]


def test_a_gpu_gets_the_batch_without_a_stream_of_mmcvs(batch, monkeypatch):
    """Where the batch goes to a GPU, with another device in the GPU's place."""
    monkeypatch.setattr(parallel, '_gpu', lambda index: torch.device('meta'))
    model = GpuDataParallel(Model().to('meta'), dim=0, device_ids=[0])
    model.device_ids, model.src_device_obj = [0], torch.device('meta')
    for _, devices, metas in (model(**batch), model.train_step(batch, None)):
        assert devices == {'meta'}
        assert metas[1] == {'number': 2}
    model.device_ids = [0, 1]
    with pytest.raises(ValueError, match='--launcher pytorch'):
        model.scatter((), batch, model.device_ids)


@pytest.fixture
def process_group(tmp_path):
    if not torch.distributed.is_available():
        pytest.skip('this torch was built without distributed training')
    store = (tmp_path / 'store').as_uri()
    torch.distributed.init_process_group('gloo', init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(os.name != 'posix', reason='gloo')
def test_one_of_several_processes(batch, process_group, monkeypatch):
    model = DistributedDataParallel(Model())
    total, _, metas = model(**batch)
    total.backward()
    assert metas[1] == {'number': 2}
    assert model.module.weight.grad.item() == total.item() == 3 * 16 * 3
    assert model.train_step(batch, None)[0].item() == total.item()
    monkeypatch.setattr(parallel, '_gpu', lambda index: torch.device('cpu'))
    model.device_ids = [0]  # as on a GPU: the containers are unpacked on the way
    assert model(**batch)[0].item() == total.item()
    assert model.train_step(batch, None)[0].item() == total.item()

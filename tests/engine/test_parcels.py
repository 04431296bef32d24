"""Batches that travel as one block of memory."""

import gc

import numpy as np
import pytest
import torch
from mmcv.parallel import DataContainer, collate
from mmdet3d.core.bbox import CameraInstance3DBoxes
from torch.utils.data import DataLoader

from epropnp_det.engine.loader import exact_loader
from epropnp_det.engine.parcels import ALIGNMENT, ParcelLoader, pack, unpack
from support.engine_scenes import NoiseScenes


@pytest.mark.parametrize(
    'value',
    [
        torch.randn(3, 4, dtype=torch.float64),
        torch.randn(3, 4).t(),
        torch.zeros(0, 4),
        torch.tensor(3),
        torch.arange(5) > 2,
        torch.randn(4).bfloat16(),
        torch.randn(4).half(),
        torch.randn(2, dtype=torch.complex64).conj(),
    ],
)
def test_tensors_arrive_as_they_were(value):
    found = unpack(pack({'a': [value, 'text']}))['a'][0]
    assert found.dtype == value.dtype and found.shape == value.shape
    assert torch.equal(found, value)
    found.add_(1) if value.dtype != torch.bool else found.logical_not_()
    assert not found.numel() or not torch.equal(found, value)


def test_arrays_and_what_mmdet3d_puts_into_a_batch():
    boxes = CameraInstance3DBoxes(torch.rand(2, 9), box_dim=9)
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    batch = {'boxes': DataContainer([[boxes]], cpu_only=True), 'K': array, 'none': np.zeros((0, 2))}
    found = unpack(pack(batch))
    assert found['boxes'].cpu_only
    assert torch.equal(found['boxes'].data[0][0].tensor, boxes.tensor)
    assert np.array_equal(found['K'], array) and found['none'].shape == (0, 2)


def test_the_block_is_looked_into_and_lives_as_long_as_its_parts():
    parcel = pack([torch.ones(3, dtype=torch.uint8), torch.arange(4.0)])
    assert len(parcel.block) == 2 * ALIGNMENT
    first, second = unpack(parcel)
    parcel.block[0] = 7
    assert first.tolist() == [7, 1, 1]
    del parcel
    gc.collect()
    assert second.tolist() == [0, 1, 2, 3]


def test_loader_processes_send_what_one_process_makes():
    batches = []
    for workers in (0, 2):
        stock = DataLoader(
            NoiseScenes(6), batch_size=2, num_workers=workers, collate_fn=collate_pairs
        )
        loader = exact_loader(stock, seed=0)
        assert isinstance(loader, ParcelLoader) == (workers > 0)
        batches.append(list(loader))
    assert len(batches[0]) == len(batches[1]) == 3
    for alone, sent in zip(*batches):
        assert set(alone) == set(sent)
        assert torch.equal(alone['img'].data[0], sent['img'].data[0])
        for name in ('gt_bboxes', 'gt_labels', 'lidar_points'):
            for one, other in zip(alone[name].data[0], sent[name].data[0]):
                assert torch.equal(one, other)
        assert [m['sample_idx'] for m in alone['img_metas'].data[0]] == [
            m['sample_idx'] for m in sent['img_metas'].data[0]
        ]


def collate_pairs(items):
    return collate(items, samples_per_gpu=2)


def test_an_error_in_a_loader_process_is_told():
    stock = DataLoader(Broken(), batch_size=2, num_workers=1, collate_fn=collate_pairs)
    with pytest.raises(ValueError, match='no such image'):
        next(iter(exact_loader(stock, seed=0)))


class Broken(NoiseScenes):
    def __getitem__(self, index):
        raise ValueError('no such image')

"""The comparison: what the detectors share, and that all learn and answer on the crops."""

import compare_on_crops
import numpy as np
import pytest
import torch
from ablation_study.answers import ask
from ablation_study.crops import CropSpec, make_crops
from compare_on_crops import DETECTORS, Answers, Choice, Run, run_config
from mmcv.parallel import collate, scatter
from mmcv.runner import save_checkpoint
from mmdet3d.datasets import build_dataset
from mmdet3d.models import FCOSMono3D, build_model

ALL = pytest.mark.parametrize('name', DETECTORS)
*OURS, PEER = DETECTORS


@pytest.fixture(scope='module')
def objects(small_nuscenes, tmp_path_factory):
    """Crops of one focal length; the same for all splits."""
    out = tmp_path_factory.mktemp('crops_of_one_focal_length')
    spec = CropSpec(size=80, focal=100.0, room=(1.15, 1.15), min_side=16, copies=8)
    for name in compare_on_crops.CROPS:
        assert make_crops(small_nuscenes / 'train.json', small_nuscenes, out / f'{name}.json', spec)
    return out


@pytest.fixture
def args(tmp_path):
    (tmp_path / 'backbone.pth').touch()
    given = ['--backbone', str(tmp_path / 'backbone.pth'), '--out', str(tmp_path), '--repeats', '1']
    return compare_on_crops.parse_args(given)


@pytest.mark.parametrize('name', OURS)
def test_they_have_the_same_but_for_their_heads(name, args, objects):
    ours, theirs = (run_config(args, Choice(n, 2e-3, 1), objects) for n in (name, PEER))
    for part in ('backbone', 'neck'):
        assert ours.model[part] == theirs.model[part]
    for part in ('optimizer', 'optimizer_config', 'lr_config', 'runner'):
        assert ours[part] == theirs[part]
    assert ours.optimizer.lr == 2e-3
    assert ours.data.samples_per_gpu == theirs.data.samples_per_gpu
    for one, other in zip(ours.data.train, theirs.data.train):
        for key in ('ann_file', 'annotation_filter', 'classes'):
            assert one[key] == other[key]
    assert ours.model.bbox_head.auxiliary is None
    files = [part['ann_file'] for part in (*ours.data.train, ours.data.val, ours.data.test)]
    assert len(set(files)) == 4
    assert type(build_model(theirs.model)) is FCOSMono3D


@ALL
def test_each_learns(name, args, objects):
    cfg = run_config(args, Choice(name, 1e-3, 0), objects)
    dataset = build_dataset(cfg.data.train)
    batch = scatter(collate([dataset[0], dataset[3]], 2), [-1])[0]
    torch.manual_seed(0)
    model = build_model(cfg.model).train()
    loss = model.train_step(batch, None)['loss']
    loss.backward()
    gradients = [p.grad for p in model.bbox_head.parameters() if p.grad is not None]
    assert loss.isfinite() and len(gradients) > 20 and all(g.isfinite().all() for g in gradients)


@pytest.fixture(scope='module')
def untrained(objects, tmp_path_factory):
    """Weights of both, as they start."""
    folder = tmp_path_factory.mktemp('untrained')
    (folder / 'backbone.pth').touch()
    args = compare_on_crops.parse_args(['--backbone', str(folder / 'backbone.pth')])
    for name in DETECTORS:
        torch.manual_seed(0)
        model = build_model(run_config(args, Choice(name, 1e-3, 0), objects).model)
        save_checkpoint(model, str(folder / f'{name}.pth'))
    return {name: folder / f'{name}.pth' for name in DETECTORS}


@ALL
def test_each_is_asked(name, args, objects, untrained):
    cfg = run_config(args, Choice(name, 1e-3, 0), objects)
    cfg.model.test_cfg.score_thr = 0.0
    cfg.data.test_dataloader = dict(workers_per_gpu=0)
    found = ask(cfg, untrained[name], 'test')
    assert len(found.yaw) == 16 and ((found.yaw >= 0) & (found.yaw <= 180)).all()
    # What is untrained may find nothing near an object: infinitely far.
    assert (found.position > 0).all() and (found.yaw[np.isinf(found.position)] == 180).all()


def test_costs_are_a_table(args, objects, untrained):
    trained = {
        name: (run_config(args, Choice(name, 1e-5, 0), objects), weights)
        for name, weights in untrained.items()
    }
    lines = compare_on_crops.costs(trained, args.repeats).splitlines()
    assert [line.split(' | ')[0] for line in lines[2:]] == [f'| {name}' for name in DETECTORS]


def test_a_missing_backbone_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        compare_on_crops.parse_args(['--backbone', str(tmp_path / 'none.pth')])
    assert 'convert_mobilenet' in capsys.readouterr().err


def test_the_last_of_the_detectors_is_what_the_others_are_compared_with(tmp_path):
    """Two runs of cars whose yaws are 3 and 1 degrees off."""
    (tmp_path / 'backbone.pth').touch()
    given = ['--backbone', str(tmp_path / 'backbone.pth'), '--detectors', 'FCOS3D', 'EPro-PnP']
    args = compare_on_crops.parse_args(given)
    runs = []
    for name, yaw in zip(args.detectors, (3.0, 1.0)):
        values = [np.full(20, yaw if field == 'yaw' else 0.05) for field in Answers._fields]
        runs.append(Run(name, 0, [10], [Answers(*values)]))
    line = compare_on_crops.gaps(runs)
    assert line.startswith('FCOS3D less EPro-PnP, the same cars: ')
    assert 'yaw error, median, degrees +2.0 (+2.0 to +2.0)' in line

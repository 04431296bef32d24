"""The script: which losses its variants have, and one measured run with untrained weights."""

import json

import ablation
import pytest
import torch
from mmcv.runner import save_checkpoint
from mmdet3d.models import build_model


def variant(name):
    return next(v for v in ablation.VARIANTS if v.name == name)


def arguments(out, *more):
    return ablation.parse_args(['--out', str(out), '--iters', '3', '--points', '1', *more])


EXPECTED = {
    'mc': (True, False, False),
    'mc_reg': (True, True, False),
    'mc_aux': (True, False, True),
    'mc_reg_aux': (True, True, True),
    'reg': (False, True, False),
    'surrogate': (False, False, True),
}


def test_every_variant_is_expected():
    assert {v.name for v in ablation.VARIANTS} == set(EXPECTED)


@pytest.mark.parametrize('name', EXPECTED)
def test_losses_of_the_variants(name, tmp_path):
    monte_carlo, derivative, auxiliary = EXPECTED[name]
    cfg = ablation.run_config(arguments(tmp_path), variant(name), tmp_path)
    losses = cfg.model.bbox_head.losses
    assert (losses.loss_pose is not None) == monte_carlo
    assert (losses.loss_reg_pos is not None) == derivative
    assert (losses.loss_reg_orient is not None) == derivative
    assert (cfg.model.bbox_head.auxiliary is not None) == auxiliary
    assert (losses.type == 'SurrogateLosses') == (name == 'surrogate')
    # What the variants share decides the comparison.
    assert losses.loss_dim is not None and losses.loss_score is not None
    assert cfg.checkpoint_config.max_keep_ckpts == -1  # the curves need them all
    assert cfg.runner.max_iters == 3 and cfg.data.train.ann_file.startswith(str(tmp_path))


def test_a_run_is_measured_once_and_reported(crops, tmp_path, monkeypatch):
    args = arguments(tmp_path)
    cfg = ablation.run_config(args, variant('surrogate'), crops)
    torch.manual_seed(0)
    model = build_model(cfg.model)
    folder = tmp_path / 'runs' / 'surrogate-0'
    (folder / 'train').mkdir(parents=True)
    save_checkpoint(model, str(folder / 'train' / 'iter_3.pth'))
    ablation.measure_run(args, folder, cfg)
    text = ablation.report(args, [(variant('surrogate'), 0, folder)])
    assert '4 held-out cars' in text or '8 held-out cars' in text
    assert (tmp_path / 'table.md').read_text() == text
    assert all((tmp_path / name).is_file() for name in ('intervals.png', 'objects.png'))
    assert json.loads((folder / 'measured.json').read_text())['steps'] == [3]
    assert ablation.is_measured(folder, cfg)
    cfg.model.bbox_head.samples_per_img = 5
    assert not ablation.is_measured(folder, cfg)


def test_crops_that_are_there_need_no_data(crops, tmp_path):
    (tmp_path / 'objects').symlink_to(crops)
    assert ablation.prepare_objects(arguments(tmp_path)) == tmp_path / 'objects'


def test_missing_data_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nuscenes_infos_train'):
        ablation.prepare_objects(arguments(tmp_path, '--data', str(tmp_path / 'nowhere')))

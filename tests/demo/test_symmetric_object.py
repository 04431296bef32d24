"""The plan of the demo of a symmetric object, its config, and the picture that it draws."""

import pytest
import torch
from mmcv import Config
from mmdet.models import build_detector

from epropnp_6dof.apis import init_estimator, objects_of
from epropnp_6dof.objects.models import read_models
from epropnp_6dof.synthetic.objects import made_objects, write_models
from epropnp_6dof.synthetic.scenes import write_scenes
from epropnp_det.engine import plain_config, with_data_root


@pytest.fixture
def demo(script):
    return script('demo/symmetric_object.py')


@pytest.fixture
def work(demo, tmp_path):
    """A work dir with two test images and a network that has learned nothing."""
    (tmp_path / 'train').mkdir()
    write_models(tmp_path / 'data' / 'models', {4: made_objects()[4]})
    split = tmp_path / 'data' / 'test'
    write_scenes(tmp_path / 'data' / 'models', split, 2, 1, None, lambda items, title: items)
    cfg = Config.fromfile(demo.CONFIG)
    state = build_detector(cfg.model).state_dict()
    checkpoint = {'meta': {'config_dict': plain_config(cfg)}, 'state_dict': state}
    torch.save(checkpoint, tmp_path / 'train' / 'latest.pth')
    return tmp_path


def arguments(demo, monkeypatch, *words):
    monkeypatch.setattr('sys.argv', ['symmetric_object.py', *map(str, words)])
    return demo.parse_args()


def test_the_plan_writes_only_below_the_work_dir(demo, monkeypatch, tmp_path):
    args = arguments(demo, monkeypatch, '--work-dir', tmp_path / 'work', '--seed', 5)
    cfg = with_data_root(Config.fromfile(demo.CONFIG), args.work_dir / 'data')
    steps = demo.plan(args, args.work_dir / 'config.py', cfg)
    assert [step.name for step in steps] == ['render', 'maps', 'train', 'test']
    for step in steps:
        assert all(args.work_dir in output.parents for output in step.outputs)
    render, maps, train, _ = (' '.join(step.command) for step in steps)
    assert '--objects 4' in render and '--seed 5' in render and '--seed 5' in train
    assert cfg.data.train.split in maps and cfg.data.train.split.startswith(str(tmp_path))


def test_the_config_knows_the_brick_as_it_is_made(demo, work):
    network = init_estimator(work / 'train' / 'latest.pth', demo.CONFIG, 'cpu')
    told, made = objects_of(network)[4], read_models(work / 'data' / 'models')[4]
    assert told.diameter == pytest.approx(made.diameter)
    for name in ('half_extents', 'center', 'symmetries'):
        assert getattr(told, name) == pytest.approx(getattr(made, name), abs=1e-9)


def test_it_draws_a_row_per_object(demo, work, monkeypatch, capsys):
    args = arguments(demo, monkeypatch, '--work-dir', work, '--show', 2, '--samples', 64)
    cfg = with_data_root(Config.fromfile(demo.CONFIG), work / 'data')
    picture = demo.draw(args, cfg)
    assert picture.shape[0] >= 2 * demo.SIDE and picture.shape[1] == 5 * demo.SIDE
    assert capsys.readouterr().out.count('effective samples of 64') == 2

import pytest
from mmcv import Config

from epropnp_det.apis import load_config, with_data_root


def test_options_change_a_copy(tmp_path):
    cfg = Config(dict(model=dict(depth=18)))
    assert load_config(cfg, {'model.depth': 50}).model.depth == 50
    assert cfg.model.depth == 18
    with pytest.raises(FileNotFoundError, match='no config'):
        load_config(tmp_path / 'none.py')


@pytest.mark.parametrize('old', ['data/nuscenes/', 'data/nuscenes'])
@pytest.mark.parametrize('new', ['/elsewhere', '/elsewhere/'])
def test_every_path_of_the_data_moves(old, new):
    cfg = Config(
        dict(
            data_root=old,
            data=dict(
                samples_per_gpu=2,
                train=dict(
                    type='RepeatDataset',
                    dataset=dict(
                        data_root=old,
                        ann_file='data/nuscenes/a.json',
                        img_prefix='data/nuscenes_other/',
                        pipeline=[dict(type='Load', paths=('data/nuscenes/x', 'y'))],
                    ),
                ),
            ),
        )
    )
    moved = with_data_root(cfg, new)
    inner = moved.data.train.dataset
    assert moved.data_root == '/elsewhere/' == inner.data_root
    assert inner.ann_file == '/elsewhere/a.json'
    assert inner.img_prefix == 'data/nuscenes_other/'
    assert inner.pipeline[0].paths == ('/elsewhere/x', 'y')
    assert moved.data.samples_per_gpu == 2
    assert cfg.data_root == old
    with pytest.raises(ValueError, match='no data_root'):
        with_data_root(Config(dict(data=dict())), new)

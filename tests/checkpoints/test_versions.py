"""Every config builds, and those of published versions have the published parameters."""

import json
from pathlib import Path

import pytest
from mmcv import Config
from mmdet3d.models import build_model

from epropnp_det.checkpoints import name_table
from support import official_shapes

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / 'configs' / 'epropnp_det').glob('*.py'))
VERSIONS = ('v1_basic', 'v1_coord_regr', 'v1_no_reproj', 'v1b_220312', 'v1b_220411', 'v2')
PREFIX = 'bbox_head.'


def test_shapes_of_method_md_are_those_of_the_official_v2(golden_dir):
    golden = json.loads((golden_dir / 'head_v2_params.json').read_text())
    assert official_shapes.head_shapes('v2') == golden


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds(path):
    cfg = Config.fromfile(str(path))
    model = build_model(cfg.model)
    assert model.bbox_head.num_classes == len(cfg.class_names)
    train = cfg.data.train
    parts = train if isinstance(train, list) else train.get('datasets', [train])
    for part in parts:
        part = part.get('dataset', part)  # of one that is repeated
        steps = [step['type'] for step in part.pipeline]
        assert steps[0] == 'LoadImageMono3D' and steps[-1] == 'Collect3D'


@pytest.mark.parametrize('version', VERSIONS)
def test_parameters_are_the_published_ones(version, version_state):
    official = official_shapes.head_shapes(version)
    table = name_table(official)
    published = {target: official[name] for name, target in table.renamed.items()}
    state = version_state(version)
    ours = {name[len(PREFIX) :]: list(t.shape) for name, t in state.items() if PREFIX in name}
    assert {name for name in ours if name not in published} == set()
    unused = {name for name in published if name not in ours}
    assert all('roi_branch' in name for name in unused) if 'no_reproj' in version else not unused
    assert {name: published[name] for name in ours} == ours


@pytest.mark.parametrize(
    'version, levels, strides',
    [('v1_basic', 6, (4, 8, 16, 32)), ('v1b_220312', 5, (8, 16, 32)), ('v2', 5, (8, 16, 32))],
)
def test_pyramid(version, levels, strides, version_state, version_config):
    model = Config.fromfile(str(version_config(version))).model
    correspondence = model.bbox_head.correspondence
    assert model.neck.num_outs == levels
    assert correspondence.stride == strides[0] and correspondence.num_levels == len(strides)
    assert sum('neck.fpn_convs' in name for name in version_state(version)) == 2 * levels
    assert model.bbox_head.detector.strides == (8, 16, 32, 64, 128)


def test_versions_differ_as_published(version_config):
    """The columns of docs/method.md 3.4 that are not shapes."""

    def head(version):
        return Config.fromfile(str(version_config(version))).model.bbox_head

    for version in VERSIONS:
        cfg, v2 = head(version), version == 'v2'
        correspondence, losses = cfg.correspondence, cfg.losses
        center = 0.5 if v2 else 0.0
        assert correspondence.get('pixel_center', 0.5) == cfg.camera.pixel_center == center
        assert correspondence.get('x2d_source', 'analytic') == ('analytic' if v2 else 'sampled')
        assert correspondence.get('detach_position_code', False) is not v2
        assert losses.get('detach_derivative', False) is not v2
        assert cfg.pnp.cost.get('detach_x2d', False) is not v2
        strong = version in ('v1b_220411', 'v2')
        assert losses.loss_pose.loss_weight == (0.5 if strong else 0.15)
        assert cfg.pnp.mc_samples == (128 if strong else 512)
        assert cfg.pnp_test.mc_samples == (128 if version == 'v1b_220411' else 512)
        assert (cfg.pnp.solver.num_iter, cfg.pnp_test.solver.num_iter) == (10, 5)


@pytest.mark.parametrize(
    'version, steps, images',
    [('v1_basic', [10, 11], 3), ('v1b_220411', [10, 11], 6), ('v2', [9, 11], 6)],
)
def test_schedules_differ_as_published(version, steps, images, version_config):
    cfg = Config.fromfile(str(version_config(version)))
    assert cfg.lr_config.step == steps and cfg.data.samples_per_gpu == images


@pytest.mark.parametrize('version', ['v1_coord_regr', 'v2'])
def test_trainval_adds_the_val_split_with_the_filters_of_training(version, version_config):
    name = version_config(version)
    cfg = Config.fromfile(str(name.with_name(f'{name.stem}_trainval.py')))
    train, val = cfg.data.train.datasets
    plain = Config.fromfile(str(name))
    assert train == plain.data.train
    assert {**val, 'ann_file': train.ann_file} == train
    assert val.ann_file == plain.data.val.ann_file
    assert cfg.data.test.ann_file.endswith('nuscenes_infos_test_mono3d.coco.json')
    assert {**cfg.data.test, 'ann_file': plain.data.test.ann_file} == plain.data.test
    same = ('model', 'lr_config', 'optimizer', 'runner')
    assert all(cfg[key] == plain[key] for key in same)
    assert cfg.data.samples_per_gpu == plain.data.samples_per_gpu

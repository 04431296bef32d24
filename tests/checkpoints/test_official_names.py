"""Names of official parameters: complete, strict, all generations."""

import json

import pytest
import torch
from mmcv import Config
from mmdet3d.models.builder import build_head

import epropnp_det.models  # noqa: F401
from epropnp_det.checkpoints import name_table, rename_official_keys

V1_SPELLING = {
    'w2d_scale_branch.': 'scale_branch.',
    'corr_reg_aux.': 'corr_regs.0.',
    'corr_reg.': 'corr_regs.1.',
    'obj_query_scale.': 'obj_query_scale.0.',
    'pts_trans.': 'pts_trans.0.',
    'loss_pose.': 'loss_pose.0.',
}


def to_v1(name):
    for new, old in V1_SPELLING.items():
        if name.startswith(new):
            return old + name[len(new) :]
    return name


@pytest.fixture(scope='module')
def v2_shapes(golden_dir):
    return json.loads((golden_dir / 'head_v2_params.json').read_text())


@pytest.fixture(scope='module')
def our_shapes(repository):
    path = repository / 'configs/_base_/models/epropnp_det_v2.py'
    model = Config.fromfile(str(path)).model
    head = build_head({**model.bbox_head, 'train_cfg': model.train_cfg, 'test_cfg': model.test_cfg})
    return {name: list(tensor.shape) for name, tensor in head.state_dict().items()}


def test_v2_fills_our_head_exactly(v2_shapes, our_shapes):
    table = name_table(v2_shapes)
    assert {target: v2_shapes[name] for name, target in table.renamed.items()} == our_shapes


def test_every_name_is_accounted_for(v2_shapes):
    table = name_table(v2_shapes)
    assert set(table.renamed) == set(v2_shapes)
    prefixes = {name.split('.')[0] for name in table.auxiliary}
    assert prefixes == {'corr_reg_aux', 'depth_branch', 'loss_proj', 'loss_regr', 'loss_depth'}
    detector = {name for name in v2_shapes if name.startswith('detector.')}
    assert all(table.renamed[name] == name for name in detector)


def test_v1_spelling_gives_the_same_names(v2_shapes):
    v2 = name_table(v2_shapes)
    v1 = name_table(to_v1(name) for name in v2_shapes)
    assert {to_v1(name): target for name, target in v2.renamed.items()} == v1.renamed
    assert {to_v1(name) for name in v2.auxiliary} == set(v1.auxiliary)
    assert sum(to_v1(name) != name for name in v2_shapes) > 15


def test_tensors_are_handed_on():
    state = {'k_proj.bias': torch.ones(2), 'corr_reg_aux.bias': torch.zeros(2)}
    renamed = rename_official_keys(state)
    assert list(renamed) == [
        'correspondence.encoder.key_proj.bias',
        'auxiliary.roi_branch.regressor.bias',
    ]
    assert renamed['correspondence.encoder.key_proj.bias'] is state['k_proj.bias']
    bare = rename_official_keys(state, auxiliary=False)
    assert list(bare) == ['correspondence.encoder.key_proj.bias']


@pytest.mark.parametrize(
    'name',
    [
        'bbox_head.k_proj.weight',
        'k_proj.weight.extra',
        'mlvl_convs.0.conv.weight',
        'pts_trans.1.norms.0.weight',
        'attention_sampler.in_proj.weight',
        'corr_regs.2.bias',
    ],
)
def test_unknown_names_are_refused_and_named(name):
    with pytest.raises(ValueError, match='not parameters of an official') as error:
        name_table(['k_proj.bias', name])
    assert name in str(error.value)
    assert 'k_proj.bias' not in str(error.value)


def test_mixed_versions_are_refused():
    with pytest.raises(ValueError, match='corr_regs.1.bias and corr_reg.bias'):
        name_table(['corr_regs.1.bias', 'corr_reg.bias'])

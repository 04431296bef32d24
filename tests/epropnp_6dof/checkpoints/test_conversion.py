"""Official key sets become ours, tensor by tensor, or are refused."""

import json

import pytest
import torch
from mmcv import Config
from mmdet3d.models import build_model

from epropnp_6dof.checkpoints import convert_state, official_version


@pytest.fixture(scope='module')
def wanted(repository):
    name = 'epropnp_6dof_v2_no_model_r34_linemod.py'
    cfg = Config.fromfile(str(repository / 'configs' / 'epropnp_6dof' / name))
    cfg.model.backbone.init_cfg = None
    return build_model(cfg.model).state_dict()


@pytest.fixture
def official(golden_dir):
    """Names and shapes of v1 and v2, without storage behind them."""

    def make(version):
        path = golden_dir / '6dof' / f'net6dof_{version}_params.json'
        shapes = json.loads(path.read_text())
        return {
            name: torch.zeros(1).expand(shape or [1]).reshape(shape)
            for name, shape in shapes.items()
            if 'linears' not in name
        }

    return make


@pytest.fixture
def cdpn(official):
    state = official('v1')
    for part in ('out_layer', 'scale_branch'):
        for kind in ('weight', 'bias'):
            del state[f'rot_head_net.{part}.{kind}']
    del state['monte_carlo_pose_loss.norm_factor']
    state['rot_head_net.features.27.weight'] = torch.full((4, 256, 1, 1), 7.0)
    state['rot_head_net.features.27.bias'] = torch.full((4,), 7.0)
    return state


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_versions(official, wanted, version):
    state = official(version)
    result = convert_state(state, wanted)
    assert result.version == official_version(state) == version
    assert list(result.state) == list(wanted)
    assert not result.initial
    assert set(result.renamed) | set(result.left_out) == set(state)
    assert bool(result.left_out) == (version == 'v1')
    assert all(name.startswith('trans_head_net.') for name in result.left_out)


def test_cdpn_keeps_start_values_of_what_it_lacks(cdpn, wanted):
    result = convert_state(cdpn, wanted)
    assert result.version == 'cdpn'
    assert torch.equal(result.state['head.out_layer.weight'], wanted['head.out_layer.weight'])
    assert 'head.scale_branch.bias' in result.initial
    transplanted = convert_state(cdpn, wanted, transplant=True).state['head.out_layer.weight']
    assert (transplanted[:3] == 7).all()
    assert torch.equal(transplanted[3:], wanted['head.out_layer.weight'][3:])


def test_wrong_files_are_refused(official, wanted):
    with pytest.raises(ValueError, match='no official 6DoF checkpoint'):
        convert_state({'head.weight': torch.zeros(1)}, wanted)
    state = official('v2')
    del state['backbone.conv1.weight']
    state['rot_head_net.surplus'] = torch.zeros(1)
    with pytest.raises(ValueError, match='missing .*conv1.*unexpected .*surplus'):
        convert_state(state, wanted)

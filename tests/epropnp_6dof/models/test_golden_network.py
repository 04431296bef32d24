"""The network against the official modules (docs/method_6dof.md 10.1)."""

import json
import zlib

import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.models import build_model
from torch.nn.functional import interpolate

from epropnp_6dof.checkpoints import convert_state
from epropnp_6dof.models.correspondence import flatten_cells, point_weights

CONFIGS = {
    'v1': 'epropnp_6dof_v1_basic_r34_linemod.py',
    'v2': 'epropnp_6dof_v2_no_model_r34_linemod.py',
}
GAINS = {4: 2, 2: 1}


def parameter(name, shape):
    """The rule by which the golden parameters were drawn."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith('norm_factor'):
        return torch.ones(shape)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    r = torch.randn(shape, generator=generator)
    if name.endswith('running_var'):
        return (0.1 * r).exp()
    if name.endswith('running_mean'):
        return 0.1 * r
    if name.endswith('.bias'):
        return 0.05 * r
    if len(shape) == 1:
        return (0.4 if '.bn2.' in name else 1) * (1 + 0.1 * r)
    return r * (GAINS[len(shape)] / np.prod(shape[1:])) ** 0.5


@pytest.fixture(scope='module', params=['v1', 'v2'])
def version(request):
    return request.param


def official_state(golden_dir, version):
    shapes = json.loads((golden_dir / '6dof' / f'net6dof_{version}_params.json').read_text())
    # The dead translation head would cost half a gigabyte; two of its tensors tell v1 apart.
    small = {n: s for n, s in shapes.items() if not n.startswith('trans_head_net.linears')}
    return {name: parameter(name, shape) for name, shape in small.items()}


@torch.no_grad()
def test_network_matches_the_official_one(golden_dir, repository, version):
    cfg = Config.fromfile(str(repository / 'configs' / 'epropnp_6dof' / CONFIGS[version]))
    cfg.model.backbone.init_cfg = None
    model = build_model(cfg.model).eval()
    conversion = convert_state(official_state(golden_dir, version), model.state_dict())
    assert conversion.version == version
    model.load_state_dict(conversion.state)
    golden = np.load(golden_dir / '6dof' / f'net6dof_{version}.npz')
    generator = torch.Generator().manual_seed(zlib.crc32(f'input_{version}'.encode()))
    image = torch.rand((2, 3, 16, 16), generator=generator)
    image = interpolate(image, size=256, mode='bilinear', align_corners=False)

    model.backbone.out_indices = (0, 1, 2, 3)
    features = model.backbone(image)
    found = {
        'layer1': features[0][:, ::16, ::16, ::16],
        'layer2': features[1][:, ::16, ::8, ::8],
        'layer3': features[2][:, ::32, ::4, ::4],
        'layer4': features[3][:, ::32, ::2, ::2],
    }
    x = features[3]
    for index, layer in enumerate(model.head.features):
        x = layer(x)
        if index in (8, 17, 26):
            stage, step = index // 9, 4 * 2 ** (index // 9)
            found[f'head_stage{stage}'] = x[:, ::32, ::step, ::step]
    maps = model.head(features[3:])
    weights = point_weights(flatten_cells(maps.logits), maps.scale, torch.ones(2), model.weights)
    weights = weights.transpose(1, 2).unflatten(2, (64, 64))
    found.update(
        noc=maps.noc[:, :, ::3, ::3],
        logits=maps.logits[:, :, ::3, ::3],
        scale=maps.scale,
        weights_test=weights[:, :, ::3, ::3],
    )
    for name, value in found.items():
        expected = golden[name]
        np.testing.assert_allclose(
            value.numpy(), expected, rtol=0, atol=1e-4 * np.abs(expected).max(), err_msg=name
        )

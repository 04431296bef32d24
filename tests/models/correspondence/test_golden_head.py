"""The correspondence head against the official v2 head's numbers (tests/data/golden/README.md)."""

import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.models.builder import build_head

from epropnp_det.checkpoints import rename_official_keys
from epropnp_det.models.structures import ImageGeometry, ObjectQueries
from support import golden_head

PREFIX = 'correspondence.'


@pytest.fixture(scope='module')
def golden(golden_dir):
    with np.load(golden_dir / 'head_v2.npz') as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope='module')
def config(repository):
    path = repository / 'configs/_base_/models/epropnp_det_v2.py'
    return Config.fromfile(str(path)).model.bbox_head.correspondence


@pytest.fixture(scope='module')
def state(golden_dir):
    official = golden_head.golden_state(golden_head.golden_shapes(golden_dir))
    renamed = rename_official_keys(official)
    return {name[len(PREFIX) :]: t for name, t in renamed.items() if name.startswith(PREFIX)}


@pytest.fixture(scope='module')
def geometry():
    return ImageGeometry(
        cam2img=torch.eye(3).expand(2, 3, 3),
        img2net=golden_head.golden_img2net(),
        img_size=torch.tensor([golden_head.IMG_SIZE] * 2, dtype=torch.float32),
        net_size=torch.tensor([golden_head.NET_SIZE] * 2, dtype=torch.float32),
    )


def predict(config, border_ramp, state, geometry, golden, **options):
    head = build_head({**config, 'border_ramp': border_ramp, **options}).eval()
    head.load_state_dict(state, strict=True)
    labels = golden['labels']
    queries = ObjectQueries(
        embeddings=golden['embedding'],
        centers=golden['centers'].view(24, 10, 2)[torch.arange(24), labels],
        strides=golden['strides'],
        img_inds=golden['img_inds'],
        labels=labels,
    )
    with torch.no_grad():
        features = head.encode(golden_head.golden_features(), geometry)
        return features, head(features, queries, geometry)


@pytest.fixture(scope='module')
def official(config, state, geometry, golden):
    return predict(config, 'official', state, geometry, golden)


def test_dense_maps(official, golden):
    features, _ = official
    for name in ('key', 'value'):
        ours = getattr(features, name)[:, ::16, ::4, ::4]
        torch.testing.assert_close(ours, golden[f'{name}_slice'], atol=1e-4, rtol=0)


@pytest.mark.parametrize('image', [0, 1], ids=['plain', 'flipped'])
def test_objects(official, golden, image):
    _, out = official
    ours = dict(
        noc=out.noc,
        x2d=out.x2d,
        w2d=out.w2d,
        dims=out.dims,
        score3d=out.score_logits.sigmoid(),
        velocity=out.velocities,
        attr=out.attr_logits,
    )
    objects = golden['img_inds'] == image
    assert objects.sum() >= 10
    for name, values in ours.items():
        # Weights are of the order 1e-2 and smaller, so they must agree relative to their size.
        tolerance = {'x2d': 1e-2, 'w2d': 1e-6}.get(name, 1e-4)
        torch.testing.assert_close(
            values[objects],
            golden[name][objects],
            atol=tolerance,
            rtol=0,
            msg=lambda text, name=name: f'{name}: {text}',
        )


def test_default_ramp_differs_at_the_upper_left_border_only(
    config, state, geometry, golden, official
):
    _, default = predict(config, 'symmetric', state, geometry, golden)
    gain = (default.w2d - golden['w2d']).sum(-1)
    matrix = geometry.img2net[golden['img_inds']]
    homogeneous = torch.cat([default.x2d, torch.ones(24, 128, 1)], dim=-1)
    network = torch.einsum('nij,npj->npi', matrix, homogeneous)[..., :2]
    # The wrong ramp ends 1.5 cells inside; beyond that, only attention changes the weights.
    near = (network < 12).any(-1)
    unaffected = ~near.any(-1)
    assert 0 < unaffected.sum() < 24
    torch.testing.assert_close(
        gain[unaffected], torch.zeros(unaffected.sum(), 128), atol=1e-6, rtol=0
    )
    inside = near & (network > 4).all(-1) & (network < torch.tensor([316.0, 188.0])).all(-1)
    assert (default.weights[inside] > official[1].weights[inside]).any()


def test_v1b_convention_moves_points_and_ramp_only(config, state, geometry, golden, official):
    """v1b has the same network: what is off the border is v2's, half a pixel up and left."""
    arguments = (state, geometry, golden)
    _, v1b = predict(config, 'symmetric', *arguments, x2d_source='sampled', pixel_center=0.0)
    _, analytic = predict(config, 'symmetric', *arguments)
    matrix = geometry.img2net[golden['img_inds']]
    homogeneous = torch.cat([analytic.x2d, torch.ones(24, 128, 1)], dim=-1)
    network = torch.einsum('nij,npj->npi', matrix, homogeneous)[..., :2]
    inside = ((network >= 4) & (network <= torch.tensor([316.0, 188.0]))).all(-1)
    assert 0.3 < inside.float().mean() < 0.99
    torch.testing.assert_close(v1b.x2d[inside], analytic.x2d[inside] - 0.5, atol=1e-3, rtol=0)
    # Cell centres at the border of the canvas, 320 x 192 at half size from row 36 on.
    low, high = torch.tensor([8.0, 44.0]) - 0.5, torch.tensor([632.0, 412.0]) - 0.5
    assert (v1b.x2d >= low - 1e-3).all() and (v1b.x2d <= high + 1e-3).all()
    torch.testing.assert_close(v1b.dims, analytic.dims)
    torch.testing.assert_close(v1b.score_logits, analytic.score_logits)

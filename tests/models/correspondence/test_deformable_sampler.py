"""The sampler against a plain per-object version, and its initialisation."""

import math

import pytest
import torch
import torch.nn.functional as F

from epropnp_det.models.correspondence import DeformableSampler
from epropnp_det.models.correspondence.positional_encoding import encode_points
from epropnp_det.models.structures import DenseFeatures, ObjectQueries

HEADS, POINTS, DIMS, STRIDE = 2, 3, 8, 8
CANVAS = (48.0, 32.0)


def make_sampler(**kwargs):
    torch.manual_seed(0)
    return DeformableSampler(DIMS, HEADS, POINTS, ffn_channels=16, dropout=0.0, **kwargs)


def make_inputs(num=7):
    torch.manual_seed(1)
    features = DenseFeatures(torch.randn(2, DIMS, 4, 6), torch.randn(2, DIMS, 4, 6), STRIDE)
    canvas = torch.tensor(CANVAS).expand(num, 2)
    queries = ObjectQueries(
        embeddings=torch.randn(num, DIMS),
        centers=torch.rand(num, 2) * canvas,
        strides=torch.tensor([8.0, 16.0, 32.0])[torch.randint(0, 3, (num,))],
        img_inds=torch.randint(0, 2, (num,)),
        labels=torch.zeros(num, dtype=torch.long),
    )
    return features, queries, canvas


def one_object(sampler, features, queries, i):
    """Deformable attention of one object, head by head, with grid_sample."""
    embedding, center = queries.embeddings[i], queries.centers[i]
    canvas = torch.tensor(CANVAS)
    position = encode_points(center[None], canvas[None], DIMS // 2)[0]
    query = sampler.query_proj(0.1 * embedding + position)
    offsets = sampler.sampling_offsets(embedding).view(HEADS, POINTS, 2)
    channels = DIMS // HEADS
    heads = []
    for h in range(HEADS):
        location = center + offsets[h] * queries.strides[i]
        grid = (2 * location / canvas - 1)[None, None]
        share = slice(h * channels, (h + 1) * channels)
        key, value = (
            F.grid_sample(
                feature_map[queries.img_inds[i], share][None],
                grid,
                padding_mode='border',
                align_corners=False,
            )[0, :, 0].T
            for feature_map in (features.key, features.value)
        )
        logits = key @ query[share] / math.sqrt(channels)
        before = ((location + 4) / 8).clamp(0, 1)
        after = ((canvas + 4 - location) / 8).clamp(0, 1)
        validity = torch.minimum(before, after).prod(-1)
        heads.append((logits.softmax(0) * validity) @ value)
    feature = sampler.norms[0](sampler.out_proj(torch.cat(heads)) + embedding)
    feed_forward = sampler.ffn.layers
    hidden = F.relu(feed_forward[0][0](feature))
    return sampler.norms[1](feature + feed_forward[1](hidden))


def test_equals_the_plain_version():
    sampler = make_sampler()
    features, queries, canvas = make_inputs()
    sampled = sampler(features, queries, canvas)
    expected = torch.stack([one_object(sampler, features, queries, i) for i in range(7)])
    torch.testing.assert_close(sampled.feature, expected, atol=1e-5, rtol=1e-5)


def test_offsets_are_in_units_of_the_level_stride():
    sampler = make_sampler()
    features, queries, canvas = make_inputs()
    near = sampler(features, queries, canvas).locations - queries.centers[:, None, None]
    doubled = queries._replace(strides=2 * queries.strides)
    far = sampler(features, doubled, canvas).locations - queries.centers[:, None, None]
    torch.testing.assert_close(far, 2 * near, atol=1e-4, rtol=1e-5)


def test_initialisation():
    sampler = DeformableSampler()
    sampler.init_weights()
    weight = sampler.sampling_offsets.weight
    bound = 2.5 * math.sqrt(6 / sum(weight.shape))  # Xavier uniform, gain 2.5
    assert 0.99 * bound < weight.abs().max() <= bound
    assert not sampler.sampling_offsets.bias.any()
    assert sampler.embedding_scale.scale.item() == pytest.approx(0.1)


def test_objects_off_the_canvas_read_nothing():
    sampler = make_sampler()
    features, queries, canvas = make_inputs()
    outside = queries._replace(centers=queries.centers + 1e4)
    sampled = sampler(features, outside, canvas)
    assert not sampled.validity.any()
    # Independent of the maps: attention is zero after the mask.
    other = sampler(features._replace(value=-features.value), outside, canvas)
    assert torch.equal(sampled.feature, other.feature)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(border_ramp='both'), 'border_ramp must be one of'),
        (dict(embed_dims=36, num_heads=8), 'multiple of 4 and of num_heads=8'),
        (dict(embed_dims=6, num_heads=2), 'multiple of 4'),
    ],
)
def test_bad_options(kwargs, message):
    with pytest.raises(ValueError, match=message):
        DeformableSampler(**kwargs)

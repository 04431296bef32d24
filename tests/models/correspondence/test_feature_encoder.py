"""Dense encoder: fusion of levels, separable position term, initialisation."""

import pytest
import torch
import torch.nn.functional as F

from epropnp_det.models.correspondence import DenseFeatureEncoder
from epropnp_det.models.correspondence.positional_encoding import cell_positions, sine_encoding

STRIDE, DIMS = 8, 16
NET_SIZE = torch.tensor([[64.0, 48.0], [56.0, 40.0]])


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return DenseFeatureEncoder(
        in_channels=6,
        level_channels=(8, 4),
        embed_dims=DIMS,
        num_levels=2,
        stride=STRIDE,
        norm_cfg=dict(type='GN', num_groups=4),
    )


def pyramid():
    torch.manual_seed(1)
    return [torch.randn(2, 6, 6, 8), torch.randn(2, 6, 3, 4), torch.randn(2, 6, 2, 2)]


def test_keys_equal_the_projection_of_the_joined_map(encoder):
    """The plain way: build the encoded map, join it with the feature, one convolution."""
    feats = pyramid()
    levels = [encoder.level_convs(feat) for feat in feats[:2]]
    levels[1] = F.interpolate(levels[1], scale_factor=2, mode='bilinear', align_corners=False)
    fused = encoder.fusion(torch.cat(levels, dim=1))
    rows = sine_encoding(cell_positions(6, STRIDE, NET_SIZE[:, 1]), DIMS // 2)
    columns = sine_encoding(cell_positions(8, STRIDE, NET_SIZE[:, 0]), DIMS // 2)
    position = torch.cat(
        [rows[:, :, None].expand(2, 6, 8, -1), columns[:, None].expand(2, 6, 8, -1)], dim=-1
    ).permute(0, 3, 1, 2)

    features = encoder(feats, NET_SIZE)
    key = encoder.key_proj(torch.cat([fused, position], dim=1))
    torch.testing.assert_close(features.key, key, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features.value, encoder.value_proj(fused), atol=1e-5, rtol=1e-5)
    assert features.stride == STRIDE


def test_maps_need_no_copy_to_be_sampled(encoder):
    features = encoder(pyramid(), NET_SIZE)
    for feature_map in (features.key, features.value):
        assert feature_map.is_contiguous(memory_format=torch.channels_last)


def test_images_do_not_mix(encoder):
    feats = pyramid()
    both = encoder(feats, NET_SIZE)
    for image in range(2):
        alone = encoder([feat[image : image + 1] for feat in feats], NET_SIZE[image : image + 1])
        torch.testing.assert_close(both.key[image], alone.key[0], atol=1e-5, rtol=1e-5)


def test_projections_start_with_linear_gain():
    encoder = DenseFeatureEncoder()
    encoder.init_weights()
    for proj in (encoder.key_proj, encoder.value_proj):
        fan_in = proj.weight.shape[1]
        assert proj.weight.std().item() == pytest.approx(fan_in**-0.5, rel=0.02)
        assert not proj.bias.any()


def test_too_few_levels(encoder):
    with pytest.raises(ValueError, match='2 pyramid levels needed, got 1'):
        encoder(pyramid()[:1], NET_SIZE)


def test_odd_channels():
    with pytest.raises(ValueError, match='multiple of 4'):
        DenseFeatureEncoder(embed_dims=18)

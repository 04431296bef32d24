"""Network pixels back to original pixels, border ramps, mirroring."""

import pytest
import torch

from epropnp_det.models.correspondence.image_transform import (
    border_validity,
    mirror,
    network_to_image,
)


def random_transforms(num, generator):
    matrix = torch.eye(3, dtype=torch.float64).repeat(num, 1, 1)
    matrix[:, :2, :2] += 0.4 * torch.randn(num, 2, 2, generator=generator, dtype=torch.float64)
    matrix[::2, 0, 0] *= -1
    matrix[:, :2, 2] = 300 * torch.randn(num, 2, generator=generator, dtype=torch.float64)
    return matrix


def test_inverts_any_affine_transform():
    generator = torch.Generator().manual_seed(0)
    img2net = random_transforms(10, generator)
    original = 500 * torch.randn(10, 4, 5, 2, generator=generator, dtype=torch.float64)
    linear, shift = img2net[:, :2, :2], img2net[:, :2, 2]
    network = torch.einsum('nij,nhpj->nhpi', linear, original) + shift[:, None, None]
    torch.testing.assert_close(network_to_image(network, img2net), original)


def test_no_points_of_no_objects():
    assert network_to_image(torch.zeros(0, 4, 5, 2), torch.zeros(0, 3, 3)).shape == (0, 4, 5, 2)


@pytest.mark.parametrize(
    'ramp, expected',
    [
        ('symmetric', [0, 0, 0.25, 0.5, 1, 1, 1, 0.5, 0.25, 0]),
        ('official', [0, 0, 0, 0, 0, 0.5, 1, 0.5, 0.25, 0]),
    ],
)
@pytest.mark.parametrize('axis', [0, 1])
def test_ramp_values(ramp, expected, axis):
    stride, length = 8, 80.0
    position = torch.tensor([-50.0, -4, -2, 0, 4, 8, 12, 80, 82, 84])
    locations = torch.full((1, 10, 2), 40.0)
    locations[..., axis] = position
    size = torch.full((1, 2), length)
    validity = border_validity(locations, size, stride, ramp)
    torch.testing.assert_close(validity, torch.tensor([expected]))


def test_ramp_is_a_product_over_axes_and_per_image():
    locations = torch.tensor([[[[0.0, 0.0]]], [[[64.0, 40.0]]]])
    size = torch.tensor([[80.0, 80.0], [64.0, 48.0]])
    validity = border_validity(locations, size, 8, 'symmetric')
    torch.testing.assert_close(validity, torch.tensor([[[0.25]], [[0.5]]]))


def test_symmetric_ramp_does_not_change_when_mirrored():
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor([[80.0, 48.0]]).expand(6, 2)
    locations = (torch.rand(6, 50, 2, generator=generator) * 1.6 - 0.3) * size[:, None]
    mirrored = size[:, None] - locations
    torch.testing.assert_close(
        border_validity(locations, size, 8, 'symmetric'),
        border_validity(mirrored, size, 8, 'symmetric'),
        atol=1e-5,
        rtol=0,
    )


def test_mirror_negates_one_component_of_flipped_rows_only():
    vectors = torch.arange(1.0, 13).view(2, 2, 3)
    mirrored = mirror(vectors, 2, torch.tensor([False, True]))
    expected = vectors.clone()
    expected[1, :, 2] *= -1
    assert torch.equal(mirrored, expected)
    assert torch.equal(vectors, torch.arange(1.0, 13).view(2, 2, 3))

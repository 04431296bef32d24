"""Network pixels back to original pixels, border ramps, mirroring."""

import pytest
import torch
import torch.nn.functional as F

from epropnp_det.models.correspondence.image_transform import (
    border_validity,
    clamp_to_cells,
    mirror,
    network_to_image,
    shift_pixel_center,
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


def test_shifted_map_takes_pixels_that_count_from_another_centre():
    generator = torch.Generator().manual_seed(0)
    img2net = random_transforms(6, generator)
    edges = 500 * torch.randn(6, 7, 2, generator=generator, dtype=torch.float64)
    linear, shift = img2net[:, :2, :2], img2net[:, :2, 2]
    network = torch.einsum('nij,npj->npi', linear, edges) + shift[:, None]
    shifted = shift_pixel_center(img2net, 0.0)
    torch.testing.assert_close(network_to_image(network, shifted), edges - 0.5)
    assert shift_pixel_center(img2net, 0.5) is img2net


@pytest.mark.parametrize('flip', [False, True], ids=['plain', 'flipped'])
def test_equals_the_pooled_and_sampled_coordinate_map_of_official_v1(flip):
    """docs/method.md 2.5: average-pooled coordinate map, border padding; ones-map, zero padding."""
    width, height, stride = 64, 48, 4
    scale = -0.5 if flip else 0.5
    img2net = torch.tensor([[scale, 0, 70.0 if flip else -3.0], [0, 0.5, -9.0], [0, 0, 1]])[None]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    pixels = torch.stack([columns, rows], dim=-1).float()[None] + 0.5  # (1, h, w, 2)
    coordinates = network_to_image(pixels, img2net) - 0.5
    pooled = F.avg_pool2d(coordinates.permute(0, 3, 1, 2), stride)
    size = torch.tensor([[float(width), float(height)]])
    generator = torch.Generator().manual_seed(0)
    locations = (torch.rand(1, 9, 40, 2, generator=generator) * 1.6 - 0.3) * size
    grid = locations / size * 2 - 1

    def sample(source, padding):
        return F.grid_sample(source, grid, padding_mode=padding, align_corners=False)

    clamped = clamp_to_cells(locations, size, stride)
    ours = network_to_image(clamped, shift_pixel_center(img2net, 0.0))
    expected = sample(pooled, 'border').permute(0, 2, 3, 1)
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)
    assert ((clamped == locations).all(-1)).float().mean() < 0.6  # the border is well covered
    torch.testing.assert_close(
        border_validity(locations, size, stride, 'symmetric'),
        sample(torch.ones_like(pooled[:, :1]), 'zeros')[:, 0],
        atol=1e-5,
        rtol=0,
    )

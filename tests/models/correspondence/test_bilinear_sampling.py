"""Gather-based sampling against grid_sample, forward and backward."""

import torch
import torch.nn.functional as F

from epropnp_det.models.correspondence.bilinear_sampling import bilinear_taps, gather_taps

STRIDE, HEADS, POINTS, CHANNELS = 4, 2, 5, 3
HEIGHT, WIDTH = 6, 9


def sample(feature_map, locations, img_inds):
    taps = bilinear_taps(locations, img_inds, tuple(feature_map.shape[-2:]), STRIDE)
    return gather_taps(feature_map, taps)


def grid_sample_reference(feature_map, locations, img_inds):
    """One grid_sample per object on the map of its image, heads as batch."""
    height, width = feature_map.shape[-2:]
    grid = 2 * locations / locations.new_tensor([width * STRIDE, height * STRIDE]) - 1
    maps = feature_map.unflatten(1, (locations.shape[1], -1))  # (B, H, c, h, w)
    samples = [
        F.grid_sample(maps[image], cells[:, None], padding_mode='border', align_corners=False)
        for image, cells in zip(img_inds.tolist(), grid)
    ]
    return torch.stack(samples)[:, :, :, 0].transpose(2, 3)  # (n, H, P, c)


def random_inputs(num=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (3, HEADS * CHANNELS, HEIGHT, WIDTH)
    feature_map = torch.randn(shape, generator=generator, dtype=torch.float64)
    canvas = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64) * STRIDE
    # Up to half a canvas beyond each border.
    unit = torch.rand(num, HEADS, POINTS, 2, generator=generator, dtype=torch.float64)
    locations = (2 * unit - 0.5) * canvas
    img_inds = torch.randint(0, 3, (num,), generator=generator)
    return feature_map.requires_grad_(), locations.requires_grad_(), img_inds


def test_equals_grid_sample_forward_and_backward():
    feature_map, locations, img_inds = random_inputs()
    ours = sample(feature_map, locations, img_inds)
    reference = grid_sample_reference(feature_map, locations, img_inds)
    torch.testing.assert_close(ours, reference)
    cotangent = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, (feature_map, locations), cotangent),
        torch.autograd.grad(reference, (feature_map, locations), cotangent),
    ):
        torch.testing.assert_close(a, b)


def test_inference_reads_what_training_reads():
    feature_map, locations, img_inds = random_inputs()
    ours = sample(feature_map, locations, img_inds)
    with torch.no_grad():
        torch.testing.assert_close(sample(feature_map, locations, img_inds), ours.detach())


def test_gradient_reaches_the_locations_on_a_constant_map():
    feature_map, locations, img_inds = random_inputs()
    sample(feature_map.detach(), locations, img_inds).sum().backward()
    assert locations.grad.any()


def test_exact_at_cell_centres_and_corners():
    feature_map, _, _ = random_inputs()
    feature_map = feature_map.detach()
    x, y = torch.tensor([0, WIDTH - 1, 3]), torch.tensor([0, HEIGHT - 1, 2])
    centres = (torch.stack([x, y], -1) + 0.5).double() * STRIDE
    locations = centres.expand(1, HEADS, 3, 2)
    sampled = sample(feature_map, locations, torch.tensor([1]))[0]
    expected = feature_map[1].unflatten(0, (HEADS, -1))[:, :, y, x].transpose(1, 2)
    torch.testing.assert_close(sampled, expected)


def test_memory_format_does_not_matter():
    feature_map, locations, img_inds = random_inputs()
    channels_last = feature_map.contiguous(memory_format=torch.channels_last)
    assert torch.equal(
        sample(feature_map, locations, img_inds), sample(channels_last, locations, img_inds)
    )


def test_one_bad_location_harms_no_other():
    feature_map, locations, img_inds = random_inputs()
    clean = sample(feature_map, locations, img_inds)
    broken = locations.detach().clone()
    broken[3, 1, 2] = float('nan')
    broken[4, 0, 1] = float('inf')
    sampled = sample(feature_map, broken, img_inds)
    assert sampled[3, 1, 2].isnan().all()
    assert sampled[4, 0, 1].isfinite().all()  # clamped to the last cell
    sampled, clean = sampled.detach().clone(), clean.detach().clone()
    for tensor in (sampled, clean):
        tensor[3, 1, 2] = tensor[4, 0, 1] = 0
    assert torch.equal(sampled, clean)


def test_no_objects():
    feature_map, locations, img_inds = random_inputs(num=0)
    sampled = sample(feature_map, locations, img_inds)
    assert sampled.shape == (0, HEADS, POINTS, CHANNELS)
    sampled.sum().backward()
    assert not feature_map.grad.any()


def test_gradcheck():
    feature_map, locations, img_inds = random_inputs(num=2)
    # A location on the edge between two cells has a one-sided gradient.
    locations = locations.detach().clamp(0.6 * STRIDE, (HEIGHT - 0.6) * STRIDE).requires_grad_()
    assert torch.autograd.gradcheck(sample, (feature_map, locations, img_inds))

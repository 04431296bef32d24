"""The inter-RoI logsumexp: anchors, a slow obvious loop, gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from epropnp_det.models.auxiliary import find_overlaps, inter_roi_logsumexp
from epropnp_det.models.auxiliary.roi_overlap import cell_centers


def loop_logsumexp(maps, bboxes, img_inds):
    """One region after the other, one neighbour after the other, by grid_sample."""
    size = maps.shape[-1]
    out = []
    for a in range(len(maps)):
        x, y = cell_centers(bboxes[a : a + 1], size)[0]
        layers = [maps[a]]
        for b in range(len(maps)):
            x1, y1, x2, y2 = bboxes[b]
            meets = min(bboxes[a][2], x2) > max(bboxes[a][0], x1)
            meets = meets and min(bboxes[a][3], y2) > max(bboxes[a][1], y1)
            if a == b or img_inds[a] != img_inds[b] or not meets:
                continue
            u, v = 2 * (x - x1) / (x2 - x1) - 1, 2 * (y - y1) / (y2 - y1) - 1
            grid = torch.stack([u[None].expand(size, size), v[:, None].expand(size, size)], -1)
            layer = F.grid_sample(
                maps[b][None], grid[None], padding_mode='border', align_corners=False
            )[0]
            outside = (grid.abs() > 1).any(-1)
            layers.append(layer.masked_fill(outside, float('-inf')))
        out.append(torch.stack(layers).logsumexp(0))
    return torch.stack(out) if out else maps


def random_rois(num, size=4, channels=2, seed=0, images=2):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(num, 2, generator=generator, dtype=torch.double) * 20
    sides = torch.rand(num, 2, generator=generator, dtype=torch.double) * 20 + 2
    maps = torch.randn(num, channels, size, size, generator=generator, dtype=torch.double)
    img_inds = torch.randint(images, (num,), generator=generator)
    return maps * 3, torch.cat([corners, corners + sides], 1), img_inds


def test_anchors():
    """docs/method.md 11 C."""
    bboxes = torch.tensor([[0.0, 0, 8, 8], [4, 0, 12, 8], [0, 0, 8, 8]])
    img_inds = torch.tensor([0, 0, 1])
    maps = torch.tensor([0.0, 1, 0]).view(3, 1, 1, 1).expand(3, 2, 4, 4)
    pairs = find_overlaps(bboxes, img_inds, 4)
    total = inter_roi_logsumexp(maps, pairs)
    left, right = total[..., :2], total[..., 2:]
    for value, expected in [
        (left[0], 0.0),
        (right[0], 1.313262),
        (left[1], 1.313262),
        (right[1], 1.0),
        (total[2], 0.0),
    ]:
        torch.testing.assert_close(value, torch.full_like(value, expected), atol=1e-6, rtol=0)
    heads = maps.logsumexp(1, keepdim=True)
    log_softmax = (maps - inter_roi_logsumexp(heads, pairs))[0, 0]
    expected = torch.tensor([-0.693147, -0.693147, -2.006409, -2.006409]).expand(4, 4)
    torch.testing.assert_close(log_softmax, expected, atol=1e-6, rtol=0)


@settings(max_examples=25)
@given(num=st.integers(0, 12), size=st.integers(1, 7), seed=st.integers(0, 1000))
def test_equals_the_loop(num, size, seed):
    maps, bboxes, img_inds = random_rois(num, size, seed=seed)
    batched = inter_roi_logsumexp(maps, find_overlaps(bboxes, img_inds, size))
    torch.testing.assert_close(batched, loop_logsumexp(maps, bboxes, img_inds))


def test_gradients_equal_those_of_the_loop():
    maps, bboxes, img_inds = random_rois(9)
    coefficients = torch.randn_like(maps)
    grads = []
    for function in (
        lambda m: inter_roi_logsumexp(m, find_overlaps(bboxes, img_inds, 4)),
        lambda m: loop_logsumexp(m, bboxes, img_inds),
    ):
        leaf = maps.clone().requires_grad_()
        (function(leaf) * coefficients).sum().backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(*grads)


def test_gradcheck():
    maps, bboxes, img_inds = random_rois(4, size=3, channels=1, images=1)
    pairs = find_overlaps(bboxes, img_inds, 3)
    assert len(pairs.a) > 0
    assert gradcheck(lambda m: inter_roi_logsumexp(m, pairs), maps.requires_grad_())


def test_images_do_not_meet_and_order_does_not_matter():
    maps, bboxes, img_inds = random_rois(8)
    together = inter_roi_logsumexp(maps, find_overlaps(bboxes, img_inds, 4))
    for image in (0, 1):
        keep = (img_inds == image).nonzero().flatten().flip(0)
        alone = inter_roi_logsumexp(maps[keep], find_overlaps(bboxes[keep], img_inds[keep], 4))
        torch.testing.assert_close(alone, together[keep])


def test_identical_regions_share_evenly():
    maps = torch.zeros(3, 1, 5, 5)
    bboxes = torch.tensor([[3.0, 2, 40, 70]]).expand(3, 4)
    total = inter_roi_logsumexp(maps, find_overlaps(bboxes, torch.zeros(3), 5))
    torch.testing.assert_close(total, torch.full_like(total, 3.0).log())


@pytest.mark.parametrize('value', [1e4, -1e4])
def test_large_logits_do_not_overflow(value):
    maps = torch.stack([torch.full((1, 3, 3), value), torch.zeros(1, 3, 3)]).requires_grad_()
    bboxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 9]])
    total = inter_roi_logsumexp(maps, find_overlaps(bboxes, torch.zeros(2), 3))
    total.sum().backward()
    torch.testing.assert_close(total, torch.full_like(total, max(value, 0)))
    assert maps.grad.isfinite().all()


def test_touching_regions_do_not_overlap():
    bboxes = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8], [0, 8, 8, 16]])
    assert find_overlaps(bboxes, torch.zeros(3), 4).a.numel() == 0

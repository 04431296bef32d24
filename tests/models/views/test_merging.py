"""The union of the views' correspondences and its posterior."""

import pytest
import torch

from epropnp_det.models.structures import Correspondences
from epropnp_det.models.views import head_by_head, merge_views
from epropnp_det.pnp import EProPnP4DoF, PerspectiveCamera

NUM, POINTS = 4, 128
POSE = torch.tensor([[1.0, 1, 15, 0.4], [-2, 1, 20, 2.0], [0, 1, 10, -1], [3, 1, 30, 3]]).double()


def make_camera() -> PerspectiveCamera:
    cam2img = torch.tensor([[800.0, 0, 400], [0, 800, 300], [0, 0, 1]]).double()
    return PerspectiveCamera(cam2img.expand(NUM, 3, 3))


def make_view(seed=0) -> Correspondences:
    double = dict(generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    noc = torch.rand(NUM, POINTS, 3, **double) - 0.5
    dims = torch.rand(NUM, 3, **double) + 1.5
    pixels = make_camera().project(noc * dims[:, None], POSE)
    return Correspondences(
        noc=noc,
        x2d=pixels + 2 * torch.randn(NUM, POINTS, 2, **double),
        weights=torch.rand(NUM, POINTS, 2, **double).softmax(1),
        scale=20 + 5 * torch.rand(NUM, 2, **double),
        dims=dims,
        encoded_dims=torch.randn(NUM, 3, **double),
        score_logits=torch.randn(NUM, **double),
        velocities=torch.randn(NUM, 2, **double),
        attr_logits=torch.randn(NUM, 9, **double),
    )


def solve(correspondences):
    points = (correspondences.x3d, correspondences.x2d, correspondences.w2d)
    return EProPnP4DoF(normalize=True)(*points, make_camera(), pose_init=POSE)


def test_one_view_is_itself():
    view = make_view()
    assert merge_views([view]) is view


def test_a_view_seen_twice_says_no_more_than_once():
    """docs/differences.md W26: same pose, same cost, same covariance (but for N - 1 in the variance
    of the points)."""
    view = make_view()
    once, twice = solve(view), solve(merge_views([view, view]))
    torch.testing.assert_close(twice.pose, once.pose, atol=1e-3, rtol=0)
    torch.testing.assert_close(twice.cost, once.cost, rtol=0.01, atol=0)
    torch.testing.assert_close(twice.pose_cov, once.pose_cov, rtol=0.02, atol=1e-6)


def test_the_official_union_counts_every_view():
    view = make_view()
    once, twice = solve(view), solve(merge_views([view, view], normalize=False))
    torch.testing.assert_close(twice.pose_cov, once.pose_cov / 2, rtol=0.02, atol=1e-6)


def test_points_are_joined_and_the_rest_is_averaged():
    first, second = make_view(0), make_view(1)
    union = merge_views([first, second], normalize=False)
    torch.testing.assert_close(union.w2d, torch.cat([first.w2d, second.w2d], 1))
    torch.testing.assert_close(union.x2d, torch.cat([first.x2d, second.x2d], 1))
    torch.testing.assert_close(union.dims, (first.dims + second.dims) / 2)
    torch.testing.assert_close(
        union.score_logits.sigmoid(),
        (first.score_logits.sigmoid() + second.score_logits.sigmoid()) / 2,
    )
    torch.testing.assert_close(union.velocities, (first.velocities + second.velocities) / 2)
    normalized = merge_views([first, second])
    torch.testing.assert_close(normalized.w2d, union.w2d / 2**0.5)


def test_sure_scores_stay_sure():
    view = make_view()._replace(score_logits=torch.tensor([90.0, -200, 0, 1]))
    union = merge_views([view, view])
    torch.testing.assert_close(union.score_logits.sigmoid(), view.score_logits.sigmoid())


@pytest.mark.parametrize('num', [0, 1])
def test_few_objects(num):
    view = Correspondences(*(field[:num] for field in make_view()))
    assert merge_views([view, view]).x3d.shape == (num, 2 * POINTS, 3)


@pytest.mark.parametrize('num', [0, 3])
def test_points_of_one_head_lie_together_whatever_the_views(num):
    """Two views of three heads with two points each; values are head, point, view."""
    view = torch.cartesian_prod(torch.arange(3), torch.arange(2)).float()
    views = [torch.cat((view, torch.full((6, 1), v)), dim=1) for v in (0.0, 1.0)]
    points = torch.cat(views).expand(num, -1, -1)
    ordered = head_by_head(points, 2)
    assert ordered.shape == (num, 12, 3)
    expected = torch.cartesian_prod(torch.arange(3), torch.arange(2), torch.arange(2)).float()
    assert torch.equal(ordered, expected.expand(num, -1, -1))
    assert torch.equal(head_by_head(points, 1), points)

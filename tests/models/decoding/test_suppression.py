import numpy as np
import pytest
import torch

from epropnp_det.models.decoding import bev_nms, class_shares, projected_nms

shapely_geometry = pytest.importorskip('shapely.geometry')


def outline(box):
    length, _, width, x, _, z, yaw = box.tolist()
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, width / 2]
    cos, sin = np.cos(yaw), np.sin(yaw)
    turned = corners @ np.array([[cos, sin], [-sin, cos]]).T  # object (x, z) -> camera (x, z)
    return shapely_geometry.Polygon(turned + [x, z])


def greedy(boxes, scores, groups, threshold):
    """The obvious loop, with exact polygon areas."""
    kept = []
    for index in scores.argsort(descending=True).tolist():
        polygon = outline(boxes[index])
        rivals = [outline(boxes[k]) for k in kept if groups[k] == groups[index]]
        overlaps = [polygon.intersection(r).area / polygon.union(r).area for r in rivals]
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(index)
    return kept


def random_boxes(n, seed):
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(n, 7, generator=generator)
    low = torch.tensor([1.0, 1, 1, -6, 0, 5, -4])
    high = torch.tensor([5.0, 2, 3, 6, 1, 20, 4])
    return low + uniform * (high - low), torch.rand(n, generator=generator)


@pytest.mark.parametrize('seed', range(5))
def test_bev_nms_equals_greedy_loop_over_polygons(seed):
    boxes, scores = random_boxes(40, seed)
    groups = torch.arange(40) % 3
    assert bev_nms(boxes, scores, groups, 0.25).tolist() == greedy(boxes, scores, groups, 0.25)


def test_lone_box_stays():
    """docs/differences.md W1: upstream loses a detection that is alone in its batch."""
    boxes, scores = random_boxes(1, 0)
    group = torch.zeros(1, dtype=torch.long)
    assert bev_nms(boxes, scores, group, 0.25).tolist() == [0]
    assert projected_nms(torch.tensor([[0.0, 0, 9, 9]]), scores, group, 0.8).tolist() == [0]


def test_no_boxes():
    none = torch.zeros(0, dtype=torch.long)
    assert bev_nms(torch.zeros(0, 7), torch.zeros(0), none, 0.25).shape == (0,)
    assert projected_nms(torch.zeros(0, 4), torch.zeros(0), none, 0.8).shape == (0,)


def test_many_groups_do_not_suppress_each_other():
    boxes, _ = random_boxes(1, 3)
    boxes = boxes.repeat(120, 1)
    scores = torch.linspace(0.1, 0.9, 120)
    kept = bev_nms(boxes, scores, torch.arange(120), 0.25)
    assert kept.tolist() == list(range(119, -1, -1))


def test_projected_nms_returns_best_first_for_unsorted_scores():
    bboxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10.5], [50, 50, 60, 60]])
    scores = torch.tensor([0.3, 0.9, 0.5])
    assert projected_nms(bboxes, scores, torch.zeros(3, dtype=torch.long), 0.8).tolist() == [1, 2]
    assert projected_nms(bboxes, scores, torch.tensor([0, 1, 0]), 0.8).tolist() == [1, 2, 0]


def test_class_shares_by_hand():
    """A lorry and a bus on the same pixels, a person before them, a car far off."""
    bboxes = torch.tensor([[0.0, 0, 40, 20], [0, 0, 40, 20], [10, 0, 18, 20], [60, 0, 90, 20]])
    scores, labels = torch.tensor([0.6, 0.3, 0.5, 0.2]), torch.tensor([1, 3, 7, 0])
    one_image = torch.zeros(4, dtype=torch.long)
    shares = class_shares(bboxes, scores, labels, one_image)
    squares = [0.36, 0.09, 0.25]
    expected = [
        squares[0] / (squares[0] + squares[1]),  # the bus claims 0.09, the person 0.2 of 0.25
        squares[1] / (squares[1] + squares[0]),
        squares[2] / (squares[2] + 0.2 * squares[0]),
        1.0,
    ]
    torch.testing.assert_close(shares, torch.tensor(expected))
    # Those of one class, and those of other images, are no rivals.
    assert class_shares(bboxes, scores, torch.full((4,), 2), one_image).tolist() == [1.0] * 4
    assert class_shares(bboxes, scores, labels, torch.arange(4)).tolist() == [1.0] * 4


def test_class_shares_of_what_scores_nothing_and_of_nothing():
    bboxes, labels, images = torch.tensor([[0.0, 0, 4, 4]] * 3), torch.arange(3), torch.zeros(3)
    shares = class_shares(bboxes, torch.tensor([0.0, 0.0, 1e-30]), labels, images)
    assert shares.isfinite().all()
    assert class_shares(bboxes[:0], torch.zeros(0), labels[:0], images[:0]).shape == (0,)


def test_class_shares_equal_the_obvious_loop():
    generator = torch.Generator().manual_seed(0)
    corner, size, scores = torch.rand(3, 50, 2, generator=generator)
    bboxes = torch.cat([corner, corner + 0.1 + size], dim=1)
    scores, labels = scores[:, 0], torch.arange(50) % 4
    shares = class_shares(bboxes, scores, labels, torch.zeros(50, dtype=torch.long))
    for index in range(50):
        left = torch.maximum(bboxes[:, :2], bboxes[index, :2])
        right = torch.minimum(bboxes[:, 2:], bboxes[index, 2:])
        inner = (right - left).clamp(min=0).prod(1)
        areas = (bboxes[:, 2:] - bboxes[:, :2]).prod(1)
        claims = inner / (areas + areas[index] - inner) * scores**2
        strongest = claims[labels != labels[index]].max()
        expected = scores[index] ** 2 / (scores[index] ** 2 + strongest)
        torch.testing.assert_close(shares[index], expected)

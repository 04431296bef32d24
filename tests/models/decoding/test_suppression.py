import numpy as np
import pytest
import torch

from epropnp_det.models.decoding import bev_nms, projected_nms

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

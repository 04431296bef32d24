"""The lists of a batch, one entry per image, become one axis of objects."""

import pytest
import torch

from epropnp_det.boxes.instances import instance_from_boxes3d
from epropnp_det.models.structures import ImageGeometry
from epropnp_det.models.targets import collect_ground_truth, ignored_regions, visible_objects

BOX = [4.0, 1.5, 2.0, 0.0, 1.0, 10.0, -1.57]  # l, h, w, x, y, z, yaw


def boxes3d(*shifts):
    """One car for each shift to the right."""
    return torch.tensor([[*BOX[:3], shift, *BOX[4:]] for shift in shifts]).reshape(-1, 7)


def collected(attributes=None):
    bboxes = [torch.tensor([[10.0, 10, 40, 30], [50, 10, 90, 30]]), torch.zeros(0, 4)]
    bboxes.append(torch.tensor([[5.0, 5, 8, 30]]))
    labels = [torch.tensor([1, 7]), torch.zeros(0, dtype=torch.long), torch.tensor([0])]
    cars = [boxes3d(-2.0, 2.0), boxes3d(), boxes3d(1.0)]
    instances = [instance_from_boxes3d(boxes) for boxes in cars]
    return collect_ground_truth(bboxes, labels, instances, attributes, 3, torch.device('cpu'))


def test_objects_of_all_images_lie_in_one_axis_without_unknown_classes():
    gt = collected([torch.tensor([4, 5]), torch.zeros(0, dtype=torch.long), torch.tensor([6])])
    assert gt.labels.tolist() == [1, 0] and gt.img_inds.tolist() == [0, 2]
    assert gt.attributes.tolist() == [4, 6]
    assert gt.bboxes.tolist() == [[10, 10, 40, 30], [5, 5, 8, 30]]
    torch.testing.assert_close(gt.boxes3d, boxes3d(-2.0, 1.0))
    assert collected().attributes.tolist() == [0, 0]


@pytest.mark.parametrize(('side', 'kept'), [(2.0, [0, 2]), (4.0, [0]), (25.0, [])])
def test_what_is_too_small_is_not_seen(side, kept):
    eye = torch.eye(3).expand(3, 3, 3)
    cam2img = torch.tensor([[50.0, 0, 50], [0, 50, 20], [0, 0, 1]]).expand(3, 3, 3)
    size = torch.tensor([100.0, 40]).expand(3, 2)
    gt, centers = visible_objects(collected(), ImageGeometry(cam2img, eye, size, size), 4, side)
    assert gt.img_inds.tolist() == kept and centers.shape == (len(kept), 2)
    moved = collected()._replace(boxes3d=boxes3d(-90.0, 90.0))  # out of the image
    gt, _ = visible_objects(moved, ImageGeometry(cam2img, eye, size, size), 4, side)
    assert len(gt.labels) == 0


def test_ignored_regions_know_their_image():
    assert ignored_regions(None, torch.zeros(1)) == {}
    regions = [torch.zeros(0, 4), torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])]
    found = ignored_regions(regions, torch.zeros(1, dtype=torch.float64))
    assert found['ignore_img_inds'].tolist() == [1, 1]
    assert found['ignore_bboxes'].dtype == torch.float64

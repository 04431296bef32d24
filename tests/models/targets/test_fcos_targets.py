"""Sparse assignment against the dense definition, and the rules one by one."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epropnp_det.models.structures import GroundTruth
from epropnp_det.models.targets import fcos_targets, ignored_points, point_grid, volume_centers

STRIDES = (8, 16, 32, 64, 128)
RANGES = ((-1, 48), (48, 96), (96, 192), (192, 384), (384, 1e8))
CLASSES = 10


def make_grid(width=320, height=192):
    sizes = [(-(-height // stride), -(-width // stride)) for stride in STRIDES]
    return point_grid([torch.zeros(1, 1, *size) for size in sizes], STRIDES)


def ground_truth(bboxes, labels=None, img_inds=None):
    bboxes = torch.as_tensor(bboxes, dtype=torch.float32).reshape(-1, 4)
    num = len(bboxes)
    zeros = torch.zeros(num, dtype=torch.long)
    return GroundTruth(
        bboxes=bboxes,
        labels=zeros if labels is None else torch.as_tensor(labels),
        boxes3d=torch.zeros(num, 7),
        velocities=torch.zeros(num, 2),
        attributes=zeros,
        img_inds=zeros if img_inds is None else torch.as_tensor(img_inds),
    )


def assign(gt, centers, num_imgs=1, **kwargs):
    return fcos_targets(make_grid(), gt, centers, num_imgs, CLASSES, RANGES, **kwargs)


def dense_assignment(grid, gt, centers, num_imgs):
    """docs/method.md 2.2 word for word: every point against every object of its image."""
    owners = torch.full((num_imgs, len(grid.points)), -1)
    centerness = torch.zeros(num_imgs, len(grid.points))
    levels = [STRIDES.index(int(stride)) for stride in grid.strides]
    ranges = torch.tensor(RANGES)[levels]
    best = torch.full(owners.shape, float('inf'))
    for g, (box, center, img) in enumerate(zip(gt.bboxes, centers, gt.img_inds)):
        delta = grid.points - center
        sides = torch.cat([grid.points - box[:2], box[2:] - grid.points], 1).max(1).values
        positive = (delta.abs().max(1).values < 1.5 * grid.strides) & (sides >= ranges[:, 0])
        positive &= sides <= ranges[:, 1]
        distance = delta.norm(dim=1)
        take = positive & (distance < best[img])
        best[img, take] = distance[take]
        owners[img, take] = g
        value = torch.exp(-2.5 * distance / (1.414 * 1.5 * grid.strides))
        centerness[img, take] = value[take]
    return owners, centerness


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 30), st.sampled_from([1.0, 0.5, 4.0]))
def test_equals_the_dense_definition(seed, num, quantum):
    """Centres on a lattice of ``quantum`` px hit the ends of squares and tie."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.rand(num, 2, generator=generator) * torch.tensor([360.0, 230]) - 20
    centers = (centers / quantum).round() * quantum
    half = torch.exp(torch.rand(num, 2, generator=generator) * 5.5) / 2 + 1
    shift = (torch.rand(num, 2, generator=generator) - 0.5) * half
    bboxes = torch.cat([centers + shift - half, centers + shift + half], 1)
    labels = torch.randint(CLASSES, (num,), generator=generator)
    gt = ground_truth(bboxes, labels, torch.randint(3, (num,), generator=generator))
    grid = make_grid()
    owners, centerness = dense_assignment(grid, gt, centers, 3)
    out = assign(gt, centers, 3)
    found = torch.full_like(owners, -1)
    found[out.img_inds, out.point_inds] = out.gt_inds
    assert torch.equal(found, owners)
    background = torch.full_like(owners, CLASSES)
    expected = torch.where(owners >= 0, labels[owners] if num else background, background)
    assert torch.equal(out.labels, expected)
    assert torch.allclose(out.centerness, centerness[out.img_inds, out.point_inds])
    assert torch.equal(out.pos_labels, labels[out.gt_inds])
    assert torch.equal(out.centers, centers[out.gt_inds])
    assert torch.equal(out.bboxes, bboxes[out.gt_inds])
    assert torch.equal(out.points, grid.points[out.point_inds])
    assert torch.equal(out.strides, grid.strides[out.point_inds])


def test_square_is_open_and_ranges_are_closed():
    # on the stride 8 level points are 4, 12, 20, ...; 16 - 4 = 12 = 1.5 x 8 is outside
    out = assign(ground_truth([[6.0, 6, 26, 26]]), torch.tensor([[16.0, 16.0]]))
    assert sorted(out.points.tolist()) == [[12, 12], [12, 20], [20, 12], [20, 20]]
    # farthest side exactly 48 px away: both levels answer
    box = [[24.0 - 48, 24 - 48, 24 + 48, 24 + 48]]
    out = assign(ground_truth(box), torch.tensor([[24.0, 24.0]]))
    assert [24.0, 24.0] in out.points[out.strides == 16].tolist()  # 48 belongs to (48, 96)
    out = assign(
        ground_truth([[20.0 - 48, 20 - 48, 20 + 48, 20 + 48]]), torch.tensor([[20.0, 20.0]])
    )
    assert [20.0, 20.0] in out.points[out.strides == 8].tolist()  # and to (-1, 48)


def test_a_point_outside_its_2d_box_can_be_positive():
    out = assign(ground_truth([[21.0, 21, 25, 25]]), torch.tensor([[22.0, 22.0]]))
    outside = (out.points < out.bboxes[:, :2]).any(1)
    assert outside.any() and (out.labels != CLASSES).sum() == len(out.points)


def test_nearest_centre_wins_and_ties_go_to_the_first():
    boxes = [[0.0, 0, 40, 40]] * 2
    out = assign(ground_truth(boxes, [3, 5]), torch.tensor([[20.0, 20.0], [21.0, 20.0]]))
    at = (out.points == torch.tensor([20.0, 20.0])).all(1)
    assert out.pos_labels[at].tolist() == [3]
    out = assign(ground_truth(boxes, [3, 5]), torch.tensor([[18.0, 20.0], [22.0, 20.0]]))
    at = (out.points == torch.tensor([20.0, 20.0])).all(1)
    assert out.pos_labels[at].tolist() == [3]


def test_centerness_range():
    out = assign(ground_truth([[0.0, 0, 40, 40]]), torch.tensor([[20.0, 20.0]]))
    at = (out.points == torch.tensor([20.0, 20.0])).all(1)
    assert out.centerness[at].item() == 1
    corner = assign(ground_truth([[0.0, 0, 40, 40]]), torch.tensor([[15.999, 15.999]])).centerness
    assert 0.082 < corner.min() < 1


def test_nothing_to_assign():
    empty = assign(ground_truth([]), torch.zeros(0, 2), num_imgs=2)
    assert empty.labels.shape == (2, len(make_grid().points)) and (empty.labels == CLASSES).all()
    assert len(empty.gt_inds) == 0 and empty.bboxes.shape == (0, 4)
    lost = assign(ground_truth([[0.0, 0, 40, 40]]), torch.tensor([[float('nan'), 3.0]]))
    assert len(lost.gt_inds) == 0
    outside = assign(ground_truth([[0.0, 0, 40, 40]]), torch.tensor([[1e9, -1e9]]))
    assert len(outside.gt_inds) == 0


def test_ignored_regions_cost_background_its_weight_but_not_objects():
    grid = make_grid()
    ignored = ignored_points(grid, torch.tensor([[0.0, 0, 64, 64]]), torch.tensor([1]), 2)
    assert not ignored[0].any() and ignored[1].sum() > 64
    gt = ground_truth([[6.0, 6, 26, 26]], [2], [1])
    out = assign(gt, torch.tensor([[16.0, 16.0]]), 2, ignored=ignored)
    positive = out.labels[1] != CLASSES
    assert (out.cls_weights[0] == 1).all()
    assert (out.cls_weights[1][positive] == 1).all()
    assert torch.equal(out.cls_weights[1] == 0, ignored[1] & ~positive)
    none = ignored_points(grid, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 2)
    assert none.shape == (2, len(grid.points)) and not none.any()


def test_wrong_numbers_raise():
    with pytest.raises(ValueError, match='regress_ranges'):
        fcos_targets(make_grid(), ground_truth([]), torch.zeros(0, 2), 1, CLASSES, RANGES[:2])
    with pytest.raises(ValueError, match='centers'):
        assign(ground_truth([[0.0, 0, 4, 4]]), torch.zeros(2, 2))


def test_real_keyframe(keyframe_root):
    """Nearly every real object gets a point, and most points of large objects lie in their box."""
    data = json.loads((keyframe_root / 'nuscenes_infos_mono3d.coco.json').read_text())
    images = {image['id']: index for index, image in enumerate(data['images'])}
    rows = data['annotations']
    boxes3d = torch.tensor([row['bbox_cam3d'] for row in rows])[:, [3, 4, 5, 0, 1, 2, 6]]
    img_inds = torch.tensor([images[row['image_id']] for row in rows])
    cam2img = torch.tensor([image['cam_intrinsic'] for image in data['images']])[img_inds]
    img2net = torch.tensor([[1.0, 0, 0], [0, 1, -228], [0, 0, 1]])
    size = torch.tensor([1600.0, 672])
    found = volume_centers(boxes3d, cam2img, img2net.expand_as(cam2img), size.expand(len(rows), 2))
    xywh = torch.tensor([row['bbox'] for row in rows])
    bboxes = torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
    bboxes[:, 1::2] -= 228
    bboxes = bboxes.clamp(min=0).minimum(size.repeat(2))
    keep = (found.volume > 1e-6) & ((bboxes[:, 2:] - bboxes[:, :2]).amin(1) >= 4)
    labels = torch.tensor([row['category_id'] for row in rows])
    gt = ground_truth(bboxes, labels, img_inds).select(keep)
    grid = make_grid(1600, 672)
    out = fcos_targets(grid, gt, found.centers[keep], 6, CLASSES, RANGES)
    assert keep.sum() > 60
    assert len(out.gt_inds.unique()) >= 0.95 * keep.sum()
    large = (out.bboxes[:, 2:] - out.bboxes[:, :2]).amin(1) > 3 * out.strides
    inside = ((out.points >= out.bboxes[:, :2]) & (out.points <= out.bboxes[:, 2:])).all(1)
    assert large.any() and inside[large].all()

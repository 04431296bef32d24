"""Order and position of the dense points, and reading maps at them."""

import pytest
import torch

from epropnp_det.models.targets import gather_centers, gather_points, point_grid


def pyramid(channels, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(3, 5), (2, 3), (1, 2)]
    return [torch.randn(2, channels, *size, generator=generator, dtype=dtype) for size in sizes]


def test_points_are_cell_centres_level_after_level():
    grid = point_grid(pyramid(1), (8, 16, 32))
    assert grid.sizes == ((3, 5), (2, 3), (1, 2))
    assert grid.levels[:, 1].tolist() == [0, 15, 21]
    assert grid.points.shape == (23, 2) and grid.strides.shape == (23,)
    assert grid.points[0].tolist() == [4, 4]
    assert grid.points[1].tolist() == [12, 4]
    assert grid.points[5].tolist() == [4, 12]
    assert grid.points[22].tolist() == [48, 16] and grid.strides[22] == 32


def test_mismatched_levels_raise():
    with pytest.raises(ValueError, match='3 feature maps for 2 strides'):
        point_grid(pyramid(1), (8, 16))


def test_gather_equals_flattening():
    maps = pyramid(4)
    flat = torch.cat([level.flatten(2) for level in maps], 2).transpose(1, 2)  # (2, 23, 4)
    img_inds = torch.tensor([0, 1, 1, 0, 1])
    point_inds = torch.tensor([0, 22, 15, 20, 14])
    assert torch.equal(gather_points(maps, img_inds, point_inds), flat[img_inds, point_inds])


def test_gather_is_differentiable_and_spares_other_points_from_nan():
    maps = pyramid(2, dtype=torch.float64)
    maps[0][0, :, 2, 4] = float('nan')  # the cell that indices of later levels are clamped to
    maps = [level.requires_grad_() for level in maps]
    picked = gather_points(maps, torch.tensor([0, 1]), torch.tensor([16, 3]))
    picked.sum().backward()
    assert torch.isfinite(picked).all()
    assert maps[1].grad[0, :, 0, 1].tolist() == [1, 1]
    assert maps[0].grad[1, :, 0, 3].tolist() == [1, 1]
    assert sum(level.grad.sum() for level in maps) == 4


def test_class_aware_centres_are_those_of_the_label():
    maps = pyramid(6)
    img_inds, point_inds, labels = torch.tensor([0, 1]), torch.tensor([7, 22]), torch.tensor([2, 0])
    centers = gather_centers(maps, img_inds, point_inds, labels)
    assert torch.equal(centers[0], maps[0][0, 4:6, 1, 2])
    assert torch.equal(centers[1], maps[2][1, 0:2, 0, 1])
    agnostic = gather_centers([level[:, :2] for level in maps], img_inds, point_inds, labels)
    assert torch.equal(agnostic[0], maps[0][0, :2, 1, 2])


def test_no_points():
    none = torch.zeros(0, dtype=torch.long)
    assert gather_points(pyramid(3), none, none).shape == (0, 3)
    assert gather_centers(pyramid(6), none, none, none).shape == (0, 2)

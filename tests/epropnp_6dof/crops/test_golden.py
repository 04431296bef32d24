"""The official crop against the official code (docs/method_6dof.md 10.2), and what ours mends."""

import numpy as np
import pytest

from epropnp_6dof.crops.crop import box_crop
from epropnp_6dof.crops.official import official_crop
from epropnp_6dof.data.coordinate_maps import denoise_edges

APE = np.array([37.9343, 38.7996, 45.8845]) / 1000
SIZE = (640, 480)


@pytest.fixture(scope='module')
def golden(golden_dir):
    return np.load(golden_dir / '6dof' / 'prep6dof.npz')


def crops(golden, fix_overhang=False):
    return [
        official_crop(box_crop(box, 256, 64, limit=640), SIZE, fix_overhang)
        for box in golden['boxes']
    ]


def ellipse(box):
    x, y, w, h = (int(round(value)) for value in box)
    u, v = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    mask = ((u - x - (w - 1) / 2) / (w / 2)) ** 2 + ((v - y - (h - 1) / 2) / (h / 2)) ** 2 <= 1
    points = np.stack([(u - 320) * 1e-4, (v - 240) * 1e-4, ((u + v) % 17) * 1e-3], -1)
    return mask, (points * mask[..., None]).astype(np.float32)


def test_windows_and_grids_match(golden):
    for k, crop in enumerate(crops(golden)):
        np.testing.assert_allclose(crop.center, golden['c'][k])
        assert crop.side == golden['s'][k]
        np.testing.assert_allclose(crop.origin, golden['origin'][k])
        assert crop.cell == golden['unit'][k]
        np.testing.assert_allclose(crop.grid()[0, 0], golden['origin'][k])
        np.testing.assert_allclose(crop.grid()[-1, -1], golden['origin'][k] + 63 * crop.cell)


def test_patches_match(golden):
    image = golden['image_blocks'].repeat(32, 0).repeat(32, 1)
    for k, (crop, box) in enumerate(zip(crops(golden), golden['boxes'])):
        patch = crop.cut(image) / 255
        np.testing.assert_allclose(patch[::13, ::13], golden['rgb'][k], atol=1e-6)
        mask, points = ellipse(box)
        small = crop.cut(mask.astype(np.float64), 64)
        np.testing.assert_allclose(small[::5, ::5], golden['mask'][k], atol=1e-6)
        noc = crop.cut(denoise_edges(points), 64, smooth=False) / APE
        np.testing.assert_allclose(noc[::5, ::5], golden['coor'][k], atol=1e-6)


def test_fixed_overhang_moves_the_grid_by_half_of_it(golden):
    moved = 0
    for published, fixed in zip(crops(golden), crops(golden, fix_overhang=True)):
        start = np.array([fixed.left, fixed.top])
        overhang = (-start).clip(0)
        overhang[1] -= max(fixed.top + fixed.side - SIZE[1], 0)
        np.testing.assert_allclose(published.center - fixed.center, overhang / 2)
        assert np.abs(published.origin - fixed.origin - overhang / 2).max() <= 0.5
        moved += overhang.any()
    assert moved == 4

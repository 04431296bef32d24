"""Corners, edges and cutting of boxes: the numpy and the torch side, and mmdet3d's."""

import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes

from epropnp_det.boxes import tensors
from epropnp_det.boxes.arrays import (
    BOTTOM_FACE,
    EDGES,
    FRONT_FACE,
    UNIT_CORNERS,
    box_corners,
    projected_bounds,
)


def test_edges_are_the_twelve():
    assert len(EDGES) == 12
    length = np.abs(UNIT_CORNERS[EDGES[:, 0]] - UNIT_CORNERS[EDGES[:, 1]]).sum(axis=1)
    np.testing.assert_array_equal(length, 1)


def test_corners_equal_those_of_mmdet3d():
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(0.3, 8, (20, 3)), rng.uniform(-9, 9, (20, 4))], axis=1)
    stock = CameraInstance3DBoxes(
        torch.tensor(boxes[:, [3, 4, 5, 0, 1, 2, 6]]), origin=(0.5, 0.5, 0.5)
    ).corners.numpy()
    for ours, theirs in zip(box_corners(boxes), stock):
        distance = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
        assert distance.min(axis=0).max() < 1e-4
        assert sorted(distance.argmin(axis=0)) == list(range(8))


def test_front_face_lies_ahead_and_its_first_corner_is_bottom_left():
    forward = np.array([[4.0, 1.5, 2.0, 0.0, 0.0, 20.0, 0.0]])  # yaw 0 looks along camera +x
    corners = box_corners(forward)[0]
    assert (corners[FRONT_FACE, 0] == 2).all()
    assert (corners[BOTTOM_FACE, 1] == 0.75).all()
    np.testing.assert_allclose(corners[0], [2, 0.75, 21])  # left of +x is +z
    away = forward.copy()
    away[:, 6] = -np.pi / 2  # drives away from the camera
    assert np.allclose(box_corners(away)[0][FRONT_FACE, 2], 22)


@pytest.mark.parametrize('near', [0.1, 2.0])
def test_torch_and_numpy_cut_and_project_alike(near):
    rng = np.random.default_rng(1)
    boxes = np.concatenate(
        [rng.uniform(0.3, 8, (60, 3)), rng.uniform((-9, -2, -6), (9, 2, 12), (60, 3))], axis=1
    )
    boxes = np.concatenate([boxes, rng.uniform(-4, 4, (60, 1))], axis=1)
    cam2img = np.array([[300.0, 2, 160], [0, 290, 90], [0, 0, 1]])
    expected, edges = projected_bounds(box_corners(boxes), cam2img, near)
    cameras = torch.tensor(cam2img).expand(len(boxes), 3, 3)
    bounds, visible = tensors.projected_bounds(torch.tensor(boxes), cameras, near)
    np.testing.assert_array_equal(visible.numpy(), edges.visible.any(axis=1))
    assert 10 < visible.sum() < 60
    np.testing.assert_allclose(bounds.numpy(), expected, rtol=1e-9)

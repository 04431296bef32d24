import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epropnp_det.boxes.tensors import box_corners, project_boxes

CAM2IMG = torch.tensor([[1260.0, 0, 800], [0, 1260, 450], [0, 0, 1]])
SIZE = torch.tensor([[1600.0, 900.0]])


def project_one(box, **options):
    return project_boxes(torch.tensor([box]), CAM2IMG[None], SIZE, **options)[0]


def test_corners_follow_the_yaw_convention():
    corners = box_corners(torch.tensor([[4.0, 2.0, 1.0, 0, 0, 10, math.pi / 2]]))[0]
    # At yaw pi/2 the object's forward axis is camera -z.
    torch.testing.assert_close(corners[7], torch.tensor([0.5, 1.0, 8.0]))
    torch.testing.assert_close(corners.mean(0), torch.tensor([0.0, 0.0, 10.0]))


def test_box_before_the_camera_equals_extremes_of_projected_corners():
    box = [4.0, 1.5, 1.8, 2.0, 1.0, 20.0, 0.5]
    pixels = box_corners(torch.tensor([box]))[0] @ CAM2IMG.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    expected = torch.cat((pixels.amin(0), pixels.amax(0)))
    torch.testing.assert_close(project_one(box), expected)


def test_pixels_are_edge_based_whatever_the_intrinsics_count_from():
    """v1 reads K as mapping the centre of the first pixel to 0: its boxes lie half a pixel on."""
    box = [4.0, 1.5, 1.8, 2.0, 1.0, 20.0, 0.5]
    torch.testing.assert_close(project_one(box, pixel_center=0.0), project_one(box) + 0.5)
    around = [20.0, 20.0, 20.0, 0.0, 0.0, 12.0, 0.0]
    for center in (0.0, 0.5):
        assert project_one(around, pixel_center=center).tolist() == [0, 0, 1600, 900]
    assert project_one([4.0, 1.5, 1.8, 0.0, 0.0, -20.0, 0.5], pixel_center=0.0).tolist() == [0] * 4


def test_box_behind_the_camera_has_no_area():
    assert project_one([4.0, 1.5, 1.8, 0.0, 0.0, -20.0, 0.5]).tolist() == [0, 0, 0, 0]


def test_zero_boxes():
    empty = project_boxes(torch.zeros(0, 7), torch.zeros(0, 3, 3), torch.zeros(0, 2))
    assert empty.shape == (0, 4)


@settings(max_examples=60)
@given(
    x=st.floats(-4, 4),
    z=st.floats(-2, 6),
    yaw=st.floats(-3.2, 3.2),
    length=st.floats(0.5, 6),
)
def test_box_cut_by_the_near_plane_equals_dense_surface_points(x, z, yaw, length):
    """docs/differences.md W6: extremes over the visible part, whatever the order of the edges."""
    box = torch.tensor([[length, 1.5, 1.8, x, 0.3, z, yaw]], dtype=torch.float64)
    steps = torch.linspace(-0.5, 0.5, 161, dtype=torch.float64)
    a, b = torch.meshgrid(steps, steps, indexing='ij')
    faces = []
    for axis in range(3):
        for side in (-0.5, 0.5):
            face = torch.stack((a, b), -1).reshape(-1, 2)
            fixed = torch.full_like(face[:, :1], side)
            faces.append(torch.cat((face[:, :axis], fixed, face[:, axis:]), 1))
    local = torch.cat(faces) * box[0, :3]
    cos, sin = box[0, 6].cos(), box[0, 6].sin()
    rotation = torch.stack(
        [
            torch.stack([cos, 0 * cos, sin]),
            torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64),
            torch.stack([-sin, 0 * cos, cos]),
        ]
    )
    points = local @ rotation.T + box[0, 3:6]
    points = points[points[:, 2] >= 0.1]
    found = project_boxes(box, CAM2IMG[None].double(), SIZE.double())[0]
    if len(points) == 0:
        # The dense points may miss a sliver, whose box then is tiny or at the border.
        return
    pixels = points @ CAM2IMG.T.double()
    pixels = pixels[:, :2] / pixels[:, 2:]
    limits = SIZE[0].double()
    low = torch.minimum(pixels.amin(0).clamp(min=0), limits)
    high = torch.minimum(pixels.amax(0).clamp(min=0), limits)
    # Contains every visible surface point; the other bound is checked by the exact test above.
    assert (found[:2] <= low + 1e-6).all() and (found[2:] >= high - 1e-6).all()


def test_near_plane_crossing_is_tight():
    # A long box along the view axis through the camera: its widest visible part is at z = 0.1.
    found = project_boxes(
        torch.tensor([[10.0, 0.02, 0.02, 0.0, 0.0, 2.0, -math.pi / 2]]), CAM2IMG[None], SIZE
    )[0]
    reach = 1260 * 0.01 / 0.1
    expected = torch.tensor([800 - reach, 450 - reach, 800 + reach, 450 + reach])
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_keeps_dtype(dtype):
    boxes = torch.tensor([[4.0, 1.5, 1.8, 2.0, 1.0, 20.0, 0.5]], dtype=dtype)
    assert project_boxes(boxes, CAM2IMG[None].to(dtype), SIZE.to(dtype)).dtype == dtype

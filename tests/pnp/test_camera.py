import pytest
import torch

from epropnp_det.pnp import PerspectiveCamera


def test_projections_of_setup_a(setup_a):
    expected = torch.tensor(
        [
            [788.339714, 465.618007],
            [839.182180, 464.483641],
            [788.339714, 559.326049],
            [839.182180, 551.385485],
            [1029.454003, 467.259021],
            [1066.006946, 465.884243],
            [1029.454003, 570.813149],
            [1066.006946, 561.189702],
        ],
        dtype=torch.float64,
    )
    projected = setup_a.camera.project(setup_a.x3d, setup_a.pose)[0]
    torch.testing.assert_close(projected, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ('pixel_center', 'lower', 'upper'),
    [(0.5, (-200.0, -200.0), (1800.0, 1100.0)), (0.0, (-200.5, -200.5), (1799.5, 1099.5))],
)
def test_bounds_of_both_pixel_conventions(pixel_center, lower, upper):
    camera = PerspectiveCamera.from_image_size(
        torch.eye(3)[None], torch.tensor([[1600.0, 900.0]]), pixel_center=pixel_center
    )
    assert camera.lower.tolist() == [list(lower)]
    assert camera.upper.tolist() == [list(upper)]


def test_clamps_pixels_and_depth(setup_a):
    camera = setup_a.camera
    points = torch.tensor(
        [[[0.0, 0.0, -5.0], [1e4, -1e4, 5.0], [0.01, 0.0, 0.05]]], dtype=torch.float64
    )
    pixels = camera.project_camera_points(points)[0]
    assert pixels[1].tolist() == [1799.5, -200.5]
    # the numerator keeps the true depth where the denominator is held at z_min
    assert pixels[2, 0].item() == pytest.approx((1260 * 0.01 + 800 * 0.05) / 0.1)


def test_projects_samples_under_leading_axes(setup_a):
    poses = setup_a.pose + torch.arange(5.0).double()[:, None, None] * 0.1  # (5, 1, 4)
    together = setup_a.camera.project(setup_a.x3d, poses)
    for pose, pixels in zip(poses, together):
        torch.testing.assert_close(setup_a.camera.project(setup_a.x3d, pose), pixels)


def test_skewed_intrinsics():
    cam2img = torch.tensor([[100.0, 7.0, 50.0], [0.0, 90.0, 40.0], [0.0, 0.0, 1.0]])
    pixels = PerspectiveCamera(cam2img).project_camera_points(torch.tensor([[1.0, 2.0, 4.0]]))
    torch.testing.assert_close(pixels[0], torch.tensor([25 + 3.5 + 50, 45.0 + 40]))


def test_indexing_keeps_matching_bounds():
    camera = PerspectiveCamera.from_image_size(
        torch.eye(3).repeat(3, 1, 1), torch.tensor([[10.0, 5.0], [20.0, 6.0], [30.0, 7.0]])
    )
    assert camera[1:].upper.tolist() == [[220.0, 206.0], [230.0, 207.0]]
    assert camera[torch.tensor([2])].cam2img.shape == (1, 3, 3)


def test_refuses_wrong_shapes():
    with pytest.raises(ValueError, match='3x3'):
        PerspectiveCamera(torch.eye(4))
    with pytest.raises(ValueError, match='z_min'):
        PerspectiveCamera(torch.eye(3), z_min=0.0)

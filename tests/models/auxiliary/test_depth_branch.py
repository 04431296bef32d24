"""Depth: the camera-aware code, where the map is read, gradients."""

import torch
from torch.autograd import gradcheck

from epropnp_det.models.auxiliary import DepthBranch, decode_depth
from epropnp_det.models.structures import DenseFeatures


def make_branch(channels=8, modes=2):
    torch.manual_seed(0)
    branch = DepthBranch(channels, modes)
    branch.init_weights()
    return branch.double()


def test_code_of_the_camera(make_scene):
    """depth = (15 + 15 code) f / 1260 (docs/method.md 8.3)."""
    geometry = make_scene().geometry
    geometry = geometry._replace(
        cam2img=torch.tensor([[[1240.0, 0, 0], [0, 1280, 0], [0, 0, 1]]]).repeat(2, 1, 1),
        img2net=torch.stack([torch.eye(3), torch.diag(torch.tensor([-0.5, 0.5, 1.0]))]),
    )
    code = torch.tensor([[0.0, 1.0, -0.5]]).expand(2, 3)
    depth = decode_depth(code, geometry)
    # half the resolution is half the focal length: what looks the same is half as far
    torch.testing.assert_close(depth, torch.tensor([[15, 30, 7.5], [7.5, 15, 3.75]]))


def test_reads_the_map_where_the_point_lies(make_scene):
    scene, branch = make_scene(), make_branch()
    branch.layers = torch.nn.Identity()  # two modes, the values of which are channels 0 and 2
    stride, (height, width) = 8, scene.features.value.shape[-2:]
    maps = torch.zeros(2, 4, height, width).double()
    maps[:, 0] = (torch.arange(width) + 0.5) * stride
    maps[:, 2] = ((torch.arange(height) + 0.5) * stride)[:, None]
    maps[1, 0] += 100
    points = torch.tensor([[20.0, 30], [4.0, 4.0], [59.9, 10.1], [-9.0, 999.0]]).double()
    features = DenseFeatures(maps, maps, stride)
    depth = branch(features, points.expand(2, -1, -1), scene.geometry).depth
    expected = points.clamp(min=4)
    expected = torch.minimum(expected, expected.new_tensor([60.0, 36.0])).expand(2, -1, -1)
    expected = expected + torch.tensor([0.0, 100.0]).double()[:, None, None] * torch.tensor([1, 0])
    torch.testing.assert_close(depth, decode_depth(expected, scene.geometry))


def test_modes_start_equally_probable(make_scene):
    scene = make_scene()
    prediction = make_branch(modes=4)(scene.features, torch.rand(2, 9, 2).double(), scene.geometry)
    torch.testing.assert_close(
        prediction.log_probs.exp(), torch.full((2, 9, 4), 0.25, dtype=torch.double)
    )
    assert prediction.depth.std(-1).min() > 0


def test_memory_format_does_not_matter(make_scene):
    scene, branch = make_scene(), make_branch()
    points = torch.rand(2, 9, 2).double() * 40
    value = scene.features.value.contiguous(memory_format=torch.channels_last)
    one = branch(scene.features, points, scene.geometry)
    two = branch(scene.features._replace(value=value), points, scene.geometry)
    torch.testing.assert_close(one.depth, two.depth)


def test_gradcheck(make_scene):
    scene, branch = make_scene(), make_branch()
    torch.nn.init.normal_(branch.layers[-1].weight)
    branch.requires_grad_(False)
    points = torch.rand(2, 3, 2).double() * 40

    def predict(value):
        prediction = branch(scene.features._replace(value=value), points, scene.geometry)
        return tuple(prediction)

    assert gradcheck(predict, scene.features.value.requires_grad_(), fast_mode=True)


def test_official_names():
    shapes = {name: list(p.shape) for name, p in DepthBranch(256, 4).state_dict().items()}
    assert shapes == {
        'layers.0.weight': [256, 256],
        'layers.0.bias': [256],
        'layers.2.weight': [256, 256],
        'layers.2.bias': [256],
        'layers.4.weight': [8, 256],
        'layers.4.bias': [8],
    }

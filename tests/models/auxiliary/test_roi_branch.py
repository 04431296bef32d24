"""Crops of the maps, their coordinates, and the mixture weights."""

import torch
from torch.autograd import gradcheck

from epropnp_det.models.auxiliary import RoIBranch, supervised_objects
from epropnp_det.models.correspondence.image_transform import network_to_image
from epropnp_det.models.structures import DenseFeatures


def objects_of(scene):
    return supervised_objects(scene.samples, scene.gt, scene.query, scene.dims)


def make_branch(size=4, channels=8, heads=2):
    torch.manual_seed(0)
    branch = RoIBranch(channels, heads, size)
    branch.init_weights()
    torch.nn.init.normal_(branch.regressor.weight)
    return branch.double()


def test_analytic_cells_equal_a_cropped_coordinate_map(make_scene):
    """The official code crops a map of coordinates, which is linear."""
    scene, branch = make_scene(), make_branch()
    stride, (height, width) = scene.features.stride, scene.features.key.shape[-2:]
    x = (torch.arange(width).double() + 0.5) * stride
    y = (torch.arange(height).double() + 0.5) * stride
    network = torch.stack(torch.meshgrid(y, x, indexing='ij')[::-1], -1).expand(2, -1, -1, 2)
    image = network_to_image(network, scene.geometry.img2net)  # (B, h, w, 2)
    maps = image.permute(0, 3, 1, 2).repeat(1, 4, 1, 1)
    objects = objects_of(scene)
    inner = objects.bboxes.clamp(min=stride / 2)
    limit = objects.bboxes.new_tensor([width, height, width, height]) * stride - stride / 2
    objects = objects._replace(bboxes=torch.minimum(inner, limit))
    cropped = branch._crop(maps, stride, objects)[:, 0, :, :2]
    prediction = branch(scene.features, objects, scene.geometry)
    torch.testing.assert_close(cropped, prediction.x2d)


def test_memory_format_does_not_matter(make_scene):
    scene, branch = make_scene(), make_branch()
    shuffled = DenseFeatures(
        *(m.contiguous(memory_format=torch.channels_last) for m in scene.features[:2]), 8
    )
    one, two = (branch(f, objects_of(scene), scene.geometry) for f in (scene.features, shuffled))
    torch.testing.assert_close(one.noc, two.noc)
    torch.testing.assert_close(one.logits, two.logits)


def test_heads_read_their_own_channels_and_layer(make_scene):
    scene, branch = make_scene(), make_branch()
    objects = objects_of(scene)
    before = branch(scene.features, objects, scene.geometry)
    value, key = scene.features.value.clone(), scene.features.key.clone()
    value[:, 4:], key[:, 4:] = 0, 0
    after = branch(DenseFeatures(key, value, 8), objects, scene.geometry)
    assert torch.equal(before.noc[:, :, 0], after.noc[:, :, 0])
    assert torch.equal(before.log_sigma[:, :, 0], after.log_sigma[:, :, 0])
    assert torch.equal(before.logits[..., 0], after.logits[..., 0])
    assert not after.logits[..., 1].any()
    signs = torch.tensor([1.0, 1, -1])  # the third object is in the mirrored image
    bias = branch.regressor.bias[1, :3].expand(3, 16, 3).clone()
    bias[..., 2] *= signs[:, None]
    torch.testing.assert_close(after.noc[:, :, 1], bias)


def test_logits_are_scaled_products(make_scene):
    scene, branch = make_scene(), make_branch(size=1)
    objects = objects_of(scene)
    key = branch._crop(scene.features.key, 8, objects)  # (n, H, 1, c)
    expected = (objects.query * key[:, :, 0]).sum(-1) / 2  # sqrt(4)
    prediction = branch(scene.features, objects, scene.geometry)
    torch.testing.assert_close(prediction.logits[:, 0], expected)


def test_mixture_weights_sum_to_one_over_what_shares_them(make_scene):
    scene, branch = make_scene(), make_branch()
    objects = objects_of(scene)
    objects = objects._replace(bboxes=objects.bboxes[[0, 0, 2]])  # two equal boxes of one image
    prediction = branch(scene.features, objects, scene.geometry)
    shared, own = prediction.shared_log_probs.exp().sum(-1), prediction.log_probs.exp().sum(-1)
    one = torch.ones(16).double()
    torch.testing.assert_close(shared[0] + shared[1], one)
    torch.testing.assert_close(shared[2], one)
    torch.testing.assert_close(own, one.expand(3, 16))
    torch.testing.assert_close(
        prediction.combine(prediction.shared_log_probs), torch.zeros(3, 16).double()
    )


def test_no_objects_keep_the_graph(make_scene):
    scene, branch = make_scene(num_objects=0), make_branch()
    key, value = (m.requires_grad_() for m in scene.features[:2])
    prediction = branch(scene.features, objects_of(scene), scene.geometry)
    assert prediction.noc.shape == (0, 16, 2, 3) and prediction.x2d.shape == (0, 16, 2)
    assert prediction.shared_log_probs.shape == (0, 16, 2)
    (prediction.noc.sum() + prediction.shared_log_probs.sum()).backward()
    assert not key.grad.any() and not value.grad.any()
    assert not branch.regressor.weight.grad.any()


def test_gradcheck(make_scene):
    scene, branch = make_scene(), make_branch(size=2)
    branch.requires_grad_(False)

    def predict(key, value, query):
        objects = supervised_objects(scene.samples, scene.gt, query, scene.dims)
        prediction = branch(DenseFeatures(key, value, 8), objects, scene.geometry)
        return prediction.noc, prediction.log_sigma, prediction.shared_log_probs

    inputs = [scene.features.key, scene.features.value, scene.query]
    assert gradcheck(predict, [x.requires_grad_() for x in inputs], fast_mode=True)


def test_initial_coordinates_are_those_of_the_point_head():
    branch = RoIBranch(64, 8, 14)
    branch.init_weights()
    first = 0.5 * torch.tensor([0.175434, -0.451218, 0.875])  # docs/method.md 11 C
    torch.testing.assert_close(branch.regressor.bias[0, :3], first, atol=1e-6, rtol=0)
    assert not branch.regressor.bias[:, 3:].any()
    assert 0 < branch.regressor.weight.abs().max() < 0.01

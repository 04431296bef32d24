"""The auxiliary losses as a whole: values, gradients, empty input, mirrored images."""

import logging

import pytest
import torch
from mmdet3d.models.builder import build_head
from torch.autograd import gradcheck
from torch.func import functional_call

from epropnp_det.models.auxiliary import (
    LidarPoints,
    SupervisedObjects,
    cell_targets,
    encode_reprojection_error,
    supervised_objects,
)
from epropnp_det.models.auxiliary.lidar_points import CellTargets
from epropnp_det.models.structures import DenseFeatures, ImageGeometry
from epropnp_det.pnp import PerspectiveCamera

V1 = dict(
    loss_proj=dict(type='MixtureNLLLoss', loss_weight=0.5),
    loss_regr=dict(type='SmoothL1Loss', beta=0.05, loss_weight=0.25),
)
V2 = dict(
    loss_proj=dict(type='MixtureNLLLoss', huber_delta=2.0, loss_weight=0.5),
    loss_regr=dict(type='MixtureNLLLoss', huber_delta=2.0, init_sigma=0.2, loss_weight=2.5),
    loss_depth=dict(type='MixtureNLLLoss', huber_delta=0.3, init_sigma=0.3, loss_weight=1.5),
)
PLAIN = ((0.5, 0, 0), (0, 0.5, -6), (0, 0, 1))
MIRRORED = ((-0.5, 0, 64), (0, 0.5, -6), (0, 0, 1))


def make_head(roi_size=4, **losses):
    torch.manual_seed(0)
    head = build_head(
        dict(
            type='AuxiliaryHead',
            embed_dims=8,
            num_heads=2,
            roi_size=roi_size,
            depth_modes=2,
            **(losses or V2),
        )
    )
    head.init_weights()
    for parameter in head.parameters():  # away from the symmetric start
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return head.double()


def losses_of(head, scene, **changes):
    arguments = dict(
        features=scene.features,
        samples=scene.samples,
        query=scene.query,
        dims=scene.dims,
        gt=scene.gt,
        camera=scene.camera,
        geometry=scene.geometry,
        lidar_points=scene.lidar,
    )
    return head(**{**arguments, **changes})


@pytest.mark.parametrize('losses', [V1, V2], ids=['v1', 'v2'])
def test_every_parameter_and_input_gets_a_gradient(make_scene, losses):
    scene, head = make_scene(), make_head(**losses)
    inputs = [*scene.features[:2], scene.query]
    for tensor in (*inputs, scene.dims):
        tensor.requires_grad_()
    values = losses_of(head, scene)
    assert set(values) == set(losses)
    assert all(value.isfinite() and value != 0 for value in values.values())
    sum(values.values()).backward()
    for tensor in (*head.parameters(), *inputs):
        assert tensor.grad.isfinite().all() and tensor.grad.any()
    assert scene.dims.grad is None  # docs/method.md 2.6: detached


@pytest.mark.parametrize('losses', [V1, V2], ids=['v1', 'v2'])
@pytest.mark.parametrize('name', ['loss_proj', 'loss_regr', 'loss_depth'])
def test_gradcheck(make_scene, losses, name):
    if name not in losses:
        pytest.skip('not a loss of this version')
    scene = make_scene(samples_per_object=1, per_object=8)
    head = make_head(roi_size=2, **{name: losses[name]}).eval()

    names, leaves = zip(*((name, p.detach().clone()) for name, p in head.named_parameters()))
    fixed = dict(samples=scene.samples, dims=scene.dims, gt=scene.gt, camera=scene.camera)
    fixed.update(geometry=scene.geometry, lidar_points=scene.lidar)

    def value(key, map_, query, *parameters):
        features = DenseFeatures(key, map_, 8)
        arguments = dict(fixed, features=features, query=query)
        return functional_call(head, dict(zip(names, parameters)), kwargs=arguments, args=())[name]

    inputs = [*scene.features[:2], scene.query, *leaves]
    assert gradcheck(value, [x.requires_grad_() for x in inputs], fast_mode=True, atol=1e-5)


@pytest.mark.parametrize('losses', [V1, V2], ids=['v1', 'v2'])
@pytest.mark.parametrize(
    'empty',
    [dict(num_objects=0), dict(num_objects=0, per_object=0), dict(per_object=0)],
    ids=['no objects', 'nothing', 'no points'],
)
def test_empty_batches_are_finite_with_a_graph_to_everything(make_scene, losses, empty):
    scene, head = make_scene(**empty), make_head(**losses)
    inputs = [tensor.requires_grad_() for tensor in (*scene.features[:2], scene.query)]
    values = losses_of(head, scene)
    sum(values.values()).backward()
    assert all(value.isfinite() for value in values.values())
    for tensor in (*head.parameters(), *inputs):
        assert tensor.grad is not None and tensor.grad.isfinite().all()
    if 'num_objects' in empty:
        assert values['loss_proj'] == 0 and head.loss_proj.mean_inv_std == 1
    if 'per_object' in empty:
        lidar_losses = [n for n in ('loss_regr', 'loss_depth') if n in losses]
        assert all(values[name] == 0 for name in lidar_losses)
        norms = [getattr(getattr(head, n), 'mean_inv_std', 1) for n in lidar_losses]
        assert all(norm == 1 for norm in norms)


def test_no_lidar_is_said_once(make_scene, monkeypatch):
    scene, head = make_scene(), make_head()
    said = []
    monkeypatch.setattr(logging.getLogger('mmdet'), 'warning', said.append)
    losses_of(head, scene)
    assert not said
    for _ in range(2):
        values = losses_of(head, scene, lidar_points=None)
        assert values['loss_regr'] == 0 and values['loss_depth'] == 0 and values['loss_proj'] != 0
    assert len(said) == 1 and 'lidar2cam' in said[0] and 'LoadLidarMono3D' in said[0]
    only_proj = make_head(loss_proj=V2['loss_proj'])
    losses_of(only_proj, scene, lidar_points=None)
    assert len(said) == 1


def test_autocast_keeps_pixels_precise(make_scene):
    scene, head = make_scene(), make_head().eval()
    half = [tensor.bfloat16() for tensor in (*scene.features[:2], scene.query)]
    same = [tensor.double() for tensor in half]
    expected = losses_of(head, scene, features=DenseFeatures(*same[:2], 8), query=same[2])
    geometry = ImageGeometry(*(tensor.float() for tensor in scene.geometry[:4]))
    changes = dict(
        features=DenseFeatures(*half[:2], 8),
        query=half[2],
        dims=scene.dims.float(),
        geometry=geometry,
        camera=PerspectiveCamera.from_image_size(geometry.cam2img, geometry.img_size),
    )
    with torch.autocast('cpu', torch.bfloat16):
        values = losses_of(head.float(), scene, **changes)
    for name, value in values.items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-4)


def test_only_what_is_configured_exists():
    names = {n.split('.')[0] for n in make_head(loss_depth=V2['loss_depth']).state_dict()}
    assert names == {'depth_branch', 'loss_depth'}
    names = {n.split('.')[0] for n in make_head(**V1).state_dict()}
    assert names == {'roi_branch', 'loss_proj'}


def test_encoded_errors():
    boxes3d = torch.tensor([[4.0, 1.5, 2.0, 1.0, 1.0, 20.0, 0.3], [1.0, 1, 1, 0, 0, -5, 0]])
    cam2img = torch.tensor([[[1000.0, 0, 0], [0, 900, 0], [0, 0, 1]]]).expand(2, 3, 3)
    error = torch.tensor([[[10.0, -5.0]], [[10.0, -5.0]]])
    expected = torch.tensor([[[10.0, -5.0]], [[10.0, -5.0]]])
    expected = expected * torch.tensor([20 / (2.5 * 200), 0.1 / 200])[:, None, None]
    torch.testing.assert_close(encode_reprojection_error(error, boxes3d, cam2img), expected)


def prediction_of(head, scene):
    objects = supervised_objects(scene.samples, scene.gt, scene.query, scene.dims)
    return objects, head.roi_branch(scene.features, objects, scene.geometry)


def test_reprojection_loss_is_least_at_the_projection(make_scene):
    """Where every head's coordinate projects to its cell, only the deviations are left."""
    scene, head = make_scene(matrices=(PLAIN, MIRRORED)), make_head().eval()
    objects, prediction = prediction_of(head, scene)
    noc = prediction.noc[:, :, :1].expand_as(prediction.noc)
    x3d = noc[:, :, 0] * objects.dims[:, None]
    x2d = scene.camera[objects.img_inds].project(x3d, objects.boxes3d[:, 3:])
    exact = prediction._replace(noc=noc, x2d=x2d, log_sigma=torch.full_like(noc[..., :2], -1.0))
    value = head._reprojection_loss(exact, objects, scene.camera)
    own = exact.logits - exact.logits.logsumexp(-1, keepdim=True)
    alone = -0.5 * (own + 2.0).logsumexp(-1)[2].mean()  # the third region overlaps none
    torch.testing.assert_close(alone, torch.tensor(-1.0).double())
    single = supervised_objects(
        scene.samples._replace(
            gt_inds=scene.samples.gt_inds[2::3], weights=scene.samples.weights[2::3]
        ),
        scene.gt,
        scene.query[2::3],
        scene.dims[2::3],
    )
    third = head.roi_branch(scene.features, single, scene.geometry)
    third = third._replace(noc=noc[2:], x2d=x2d[2:], log_sigma=exact.log_sigma[2:])
    torch.testing.assert_close(head._reprojection_loss(third, single, scene.camera), alone)
    shifted = exact._replace(x2d=x2d + 3.0)
    assert head._reprojection_loss(shifted, objects, scene.camera) > value


def test_overlapping_objects_explain_each_other(make_scene):
    """A cell that another region explains well costs little, as the paper's softmax intends."""
    scene, head = make_scene(), make_head().eval()
    objects, _ = prediction_of(head, scene)
    twice = SupervisedObjects(*(field[[0, 0]] for field in objects))
    prediction = head.roi_branch(scene.features, twice, scene.geometry)
    noc = prediction.noc[:, :, :1].expand_as(prediction.noc)
    x2d = scene.camera[twice.img_inds].project(
        noc[:, :, 0] * twice.dims[:, None], twice.boxes3d[:, 3:]
    )
    wrong_second = noc.clone()
    wrong_second[1] += 5.0
    fits = prediction._replace(noc=wrong_second, x2d=x2d, log_sigma=torch.zeros(2, 16, 2, 2))
    neither = fits._replace(noc=noc + 5.0)
    loss, worst = (head._reprojection_loss(p, twice, scene.camera) for p in (fits, neither))
    # the two halves of the mixture weigh one half each; one of them fits
    torch.testing.assert_close(loss, 0.5 * torch.tensor(2.0).double().log(), atol=0.1, rtol=0)
    assert worst > 2 * loss


def test_coordinate_anchor_through_the_head(make_scene):
    """docs/method.md 11 C: errors in units of the mean dimension, sigma .2, delta 2."""
    scene, head = make_scene(), make_head()
    head.loss_regr.log_sigma.data.fill_(0.2).log_()
    objects, prediction = prediction_of(head, scene)
    error = torch.tensor([[0.1, 0.2, -0.1], [0.5, 0, 0.4]]).double()
    mean_dims = objects.boxes3d[:, None, None, :3].mean(-1, keepdim=True)
    target = CellTargets(torch.randn(3, 16, 3).double(), torch.rand(3, 16) < 0.4)
    noc = (target.x3d[:, :, None] + error * mean_dims) / objects.dims[:, None, None]
    logits = torch.tensor([0.4, 0.6]).double().log().expand(3, 16, 2)
    value = head._coordinate_loss(prediction._replace(noc=noc, logits=logits), objects, target)
    assert value.item() == pytest.approx(2.5 * -2.285823, abs=1e-5)
    assert head.loss_regr.mean_inv_std.item() == pytest.approx(1.4)


def test_v1_coordinate_loss_by_hand(make_scene):
    scene, head = make_scene(), make_head(**V1)
    objects, prediction = prediction_of(head, scene)
    target = CellTargets(torch.randn(3, 16, 3).double(), torch.rand(3, 16) < 0.4)
    total, norm = 0.0, 0.0
    for n in range(3):
        for cell in target.occupied[n].nonzero().flatten().tolist():
            attention = prediction.logits[n, cell].softmax(-1)
            for h in range(2):
                x3d = prediction.noc[n, cell, h] * objects.dims[n]
                distance = (x3d - target.x3d[n, cell]).norm() / objects.boxes3d[n, :3].max()
                smooth = distance - 0.025 if distance > 0.05 else distance**2 / 0.1
                total, norm = total + attention[h] * smooth, norm + attention[h]
    value = head._coordinate_loss(prediction, objects, target)
    torch.testing.assert_close(value, 0.25 * total / norm)


def test_depth_loss_counts_points_on_the_canvas_only(make_scene):
    scene, head = make_scene(), make_head().eval()
    value = losses_of(head, scene)['loss_depth']
    off = scene.lidar[0][:1].clone()
    off[:, 3:] = torch.tensor([500.0, 500.0])
    off[:, 2] = 80.0
    more = [torch.cat([scene.lidar[0], off]), scene.lidar[1]]
    torch.testing.assert_close(losses_of(head, scene, lidar_points=more)['loss_depth'], value)


def test_mirrored_image_gives_the_same_losses(make_scene):
    """Mirrored maps, boxes and matrix with z-symmetric coordinates: nothing may change."""
    plain, mirrored = make_scene(matrices=(PLAIN, PLAIN)), make_scene(matrices=(MIRRORED, MIRRORED))
    features = DenseFeatures(*(m.flip(-1) for m in plain.features[:2]), 8)
    head = make_head().eval()
    head.roi_branch.regressor.weight.data[:, 2] = 0
    head.roi_branch.regressor.bias.data[:, 2] = 0
    expected = losses_of(head, plain)
    for name, value in losses_of(head, mirrored, features=features, query=plain.query).items():
        torch.testing.assert_close(value, expected[name])


def test_the_losses_teach_what_they_claim(make_scene):
    """Free maps and queries: pixels, LiDAR coordinates and depths are learnt."""
    scene, head = make_scene(per_object=20), make_head(roi_size=4)
    free = [tensor.requires_grad_() for tensor in (*scene.features[:2], scene.query)]
    optimizer = torch.optim.Adam([*head.parameters(), *free], lr=0.05)
    points = LidarPoints.pad(scene.lidar, scene.geometry)

    def errors():
        objects, prediction = prediction_of(head, scene)
        best = prediction.logits.argmax(-1, keepdim=True)[..., None]
        noc = prediction.noc.gather(2, best.expand(-1, -1, -1, 3)).squeeze(2)
        x3d = noc * objects.dims[:, None]
        x2d = scene.camera[objects.img_inds].project(x3d, objects.boxes3d[:, 3:])
        target = cell_targets(points, objects, 4)
        depth, log_probs = head.depth_branch(scene.features, points.locations, scene.geometry)
        depth = depth.gather(-1, log_probs.argmax(-1, keepdim=True)).squeeze(-1)
        return (
            (x2d - prediction.x2d).norm(dim=-1).median().item(),
            (x3d - target.x3d).norm(dim=-1)[target.occupied].median().item(),
            (depth - points.xyz[..., 2])[points.valid].abs().median().item(),
        )

    before = errors()
    for _ in range(150):
        optimizer.zero_grad()
        sum(losses_of(head, scene).values()).backward()
        optimizer.step()
    after = errors()
    assert after[0] < 3.0 < before[0]  # pixels
    assert after[1] < 0.3 < before[1]  # metres
    assert after[2] < 0.5 < before[2]  # metres

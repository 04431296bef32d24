"""Test path, training losses and gradients against the official code (docs/method_6dof.md 10.3)."""

import math

import numpy as np
import pytest
import torch

from epropnp_6dof.models.correspondence import (
    flatten_cells,
    object_points,
    point_weights,
)
from epropnp_6dof.models.layer import Z_MIN, build_layer, training_bounds
from epropnp_6dof.models.pose_losses import PoseLosses, robust_cost
from epropnp_6dof.models.solver import confident_points, epnp
from epropnp_6dof.models.structures import Correspondences, Crops, Maps, Targets
from epropnp_det.pnp import MonteCarloResult, PerspectiveCamera

MODES = {'v1': 'mean_exp', 'v2': 'softmax_per_cell'}
LOSS_WEIGHTS = {
    'v1_total_basic': (1, 0.02, 0, 0),
    'v1_total_reg_loss': (1, 0.02, 0.1, 0.1),
    'v2_total_cdpn_init': (1, 0.2, 1, 1),
    'v2_total_no_model': (0, 0.2, 1, 1),
}


class Golden:
    """The file, as the arguments of our modules."""

    def __init__(self, path):
        self.file = np.load(path)

    def __getitem__(self, name):
        array = self.file[name]
        return torch.from_numpy(array.astype(np.float64) if array.dtype.kind == 'f' else array)

    def bits(self, name):
        return torch.from_numpy(np.unpackbits(self.file[name], axis=-1).astype(bool))

    def crops(self, cam2img=None):
        cell = self['size'] / 64
        origin = self['center'].trunc() - self['size'][:, None] / 2
        steps = torch.arange(64, dtype=torch.float64)
        x = (origin[:, :1] + steps * cell[:, None])[:, None].expand(-1, 64, -1)
        y = (origin[:, 1:] + steps * cell[:, None])[..., None].expand(-1, -1, 64)
        cam2img = self['cam2img'] if cam2img is None else cam2img
        center = torch.zeros(4, 3, dtype=torch.float64)
        cam2img = cam2img.expand(4, 3, 3)
        return Crops(torch.stack([x, y], -1), cell, cam2img, self['half_extents'], center)

    def maps(self, version):
        return Maps(self['noc'], self['logits'], self[f'scale_{version}'])

    def targets(self):
        mask = self.bits('mask').view(4, 64, 64).double()
        return Targets(self['pose_gt'][:, None], self['noc_target'][:, None], mask)


@pytest.fixture(scope='module')
def golden(golden_dir):
    return Golden(golden_dir / '6dof' / 'path6dof.npz')


def points_of(maps, crops, version, indices=None):
    return Correspondences(
        object_points(flatten_cells(maps.noc, indices), crops.half_extents, crops.center),
        flatten_cells(crops.grid.permute(0, 3, 1, 2), indices),
        point_weights(flatten_cells(maps.logits, indices), maps.scale, crops.cell, MODES[version]),
    )


def close(found, expected, tolerance):
    expected = expected.double().numpy()
    scale = max(np.abs(expected).max(), 1e-12)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize('version', MODES)
def test_test_path(golden, version):
    crops = golden.crops(golden['cam2img'].float().double())  # as the file has it for this part
    points = points_of(golden.maps(version), crops, version)
    name = f'test_{version}'
    close(points.w2d[:, ::37], golden[f'{name}_weights'], 1e-9)
    close(points.x2d[:, ::37], golden[f'{name}_x2d'], 1e-9)
    assert torch.equal(confident_points(points.w2d), golden.bits(f'{name}_top_mask'))
    start = golden[f'{name}_epnp']
    close(epnp(points, crops.cam2img), start, 1e-3)
    camera = PerspectiveCamera(crops.cam2img, Z_MIN)
    for iterations in (1, 2, 3):
        layer = build_layer(lm_iter=iterations)
        solution = layer(*points, camera, pose_init=start, fast_mode=True)
        close(solution.pose, golden[f'{name}_gn_f64'][iterations - 1], 1e-9)
    close(solution.cost, golden[f'{name}_cost_f64'], 1e-9)
    close(layer.cost(points.x2d, points.w2d), golden[f'{name}_delta_f64'], 1e-9)


def training_problem(golden, version):
    """Leaves that want a gradient, and the drawn points."""
    maps = Maps(*(tensor.clone().requires_grad_() for tensor in golden.maps(version)))
    crops, indices = golden.crops(), golden['train_inds'].long()
    camera = PerspectiveCamera(crops.cam2img, Z_MIN, *training_bounds(crops))
    return maps, camera, points_of(maps, crops, version, indices)


def check_gradients(golden, maps, loss, name, tolerance):
    cells = golden['train_inds'].long()[0, ::8]
    grads = torch.autograd.grad(loss, maps, retain_graph=True)
    for part, grad in zip(('noc', 'logits', 'scale'), grads):
        close(grad.abs().sum(), golden[f'{name}_{part}_sum'], tolerance)
        picked = grad if part == 'scale' else grad.flatten(2)[:, :, cells]
        close(picked, golden[f'{name}_{part}'], tolerance)


@pytest.mark.parametrize('version', MODES)
def test_training_losses_and_gradients(golden, version):
    maps, camera, points = training_problem(golden, version)
    name = f'train_{version}'
    close(camera.lower, golden[f'{name}_lb'], 1e-9)
    close(camera.upper, golden[f'{name}_ub'], 1e-9)
    layer = build_layer()
    close(layer.cost(points.x2d, points.w2d), golden[f'{name}_delta'], 1e-9)
    targets = golden.targets()
    solution = layer(*points, camera, pose_init=targets.poses[:, 0], with_pose_plus=True)
    close(solution.pose, golden[f'{name}_pose_opt'], 1e-9)
    close(solution.pose_plus, golden[f'{name}_pose_plus'], 1e-9)

    losses = PoseLosses(coordinate=1, monte_carlo=1, translation=1, rotation=1)
    derivative = losses._derivative(solution, targets.poses)
    close(derivative['loss_translation'], golden[f'{name}_loss_t'], 1e-9)
    close(derivative['loss_rotation'], golden[f'{name}_loss_r'], 1e-9)
    both = derivative['loss_translation'] + derivative['loss_rotation']
    check_gradients(golden, maps, both, f'{name}_grad_reg', 1e-9)

    monte_carlo = monte_carlo_loss(golden, losses, layer, camera, points, maps, name)
    check_gradients(golden, maps, monte_carlo, f'{name}_grad_mc', 1e-5)

    coordinate = losses.loss_coordinate(maps.noc, targets.noc, targets.mask)
    close(coordinate, golden['train_loss_rot'], 1e-9)
    parts = (coordinate, monte_carlo, *derivative.values())
    for total, weights in LOSS_WEIGHTS.items():
        if total.startswith(version):
            value = sum(weight * part for weight, part in zip(weights, parts))
            close(value, golden[f'train_{total}'], 1e-6)


def monte_carlo_loss(golden, losses, layer, camera, points, maps, name):
    """The loss of the samples in the file instead of drawn ones."""
    samples, log_density = golden[f'{name}_samples'], golden[f'{name}_logq']
    target = robust_cost(layer.cost, points, camera, golden['pose_gt'])
    close(target, golden[f'{name}_cost_gt'], 1e-9)
    costs = torch.stack([robust_cost(layer.cost, points, camera, pose) for pose in samples])
    log_weights = -costs - log_density - math.log(len(samples))
    offset = math.log(len(samples))  # the file sums over samples, ours averages
    close(log_weights.logsumexp(0) + offset, golden[f'{name}_log_sum'], 1e-6)
    losses.train()
    # The loss of the file has no 1 / S inside the logarithm.
    loss = losses.loss_pose(log_weights + offset, target, maps.scale.detach().mean())
    close(losses.loss_pose.norm_factor, golden[f'{name}_norm_factor'], 1e-6)
    close(loss, golden[f'{name}_loss_mc'], 1e-6)
    return loss


@pytest.mark.parametrize('version', MODES)
def test_sampled_log_normalizer(golden, version):
    """Our own sampler estimates the evidence that the file has from 32 768 samples."""
    _, camera, points = training_problem(golden, version)
    layer = build_layer(mc_samples=8192)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        result: MonteCarloResult = layer.monte_carlo_forward(
            *points,
            camera,
            pose_init=golden['pose_gt'],
            force_init_solve=False,
            generator=generator,
        )
    found = result.log_weights.logsumexp(0)
    np.testing.assert_allclose(found, golden[f'train_{version}_log_normalizer'], atol=0.3)

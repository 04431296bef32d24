"""Triton's kernels compute what the reference does: on a GPU, or in Triton's interpreter."""

import pytest
import torch

from epropnp_det.pnp import (
    AdaptiveHuberCost,
    EProPnP4DoF,
    LMSolver,
    MonteCarloPoseLoss,
    PerspectiveCamera,
    RSLMSolver,
)
from epropnp_det.pnp.backend import REFERENCE, SWITCH, Backend, choose, load
from epropnp_det.pnp.proposals import draw_noise
from epropnp_det.pnp.random_sample import draw_subset_noise
from support.pnp_cases import KINDS, LAYERS, assert_alike, make_case

FUSED = load('triton')
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
pytestmark = [
    pytest.mark.skipif(not isinstance(FUSED, Backend), reason=f'Triton does not load: {FUSED}'),
    pytest.mark.filterwarnings('ignore::RuntimeWarning'),  # the interpreter is numpy's
]
INFERENCE, TRAINING = 16, 60
"""Most launches of a call."""


@pytest.fixture(autouse=True)
def named(monkeypatch):
    monkeypatch.setenv(SWITCH, 'triton')


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_solve(random_objects, dtype, dof, num):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num, DEVICE)
    for options, fast_mode in ((LMSolver(num_iter=4), False), (LMSolver(num_iter=2), True)):
        ours, plain = (
            backend.solve(pose_type, problem, start, options, fast_mode)
            for backend in (FUSED, REFERENCE)
        )
        assert_alike((ours.pose, *ours.linearization), (plain.pose, *plain.linearization), loose)


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_subsets(random_objects, dtype, dof, num):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num, DEVICE)
    noise = draw_subset_noise(problem.w2d, 3, 7)
    drawn = FUSED.draw_subsets(problem.w2d, noise, 7)
    assert torch.equal(drawn, REFERENCE.draw_subsets(problem.w2d, noise, 7))
    arguments = (drawn, start[:, None].expand(-1, 3, -1), LMSolver(num_iter=2), num == 1)
    ours, plain = (
        backend.solve_subsets(pose_type, problem, *arguments) for backend in (FUSED, REFERENCE)
    )
    assert_alike([ours], [plain], loose)


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_costs_and_gradient(random_objects, dtype, dof, num):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num, DEVICE, points=70)
    poses = torch.stack([start + 0.03 * shift * torch.randn_like(start) for shift in range(19)], 1)
    poses[0, 0, 2] = -3.0  # behind the camera
    poses[-1, 1, 0] = 40.0  # beyond the image
    grad = torch.rand_like(poses[..., 0])
    ours, plain = (
        [
            backend.pose_costs(pose_type, problem, poses),
            *backend.pose_costs_gradient(pose_type, problem, poses, grad),
        ]
        for backend in (FUSED, REFERENCE)
    )
    assert_alike(ours, plain, loose)


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_posterior(random_objects, dtype, dof, num):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num, DEVICE)
    solution = REFERENCE.solve(pose_type, problem, start, LMSolver())
    covariance = LMSolver().covariance(solution.linearization)
    noise = draw_noise(pose_type, problem.delta, (3, num, 20))
    ours, plain = (
        backend.sample_posterior(pose_type, problem, solution.pose, covariance, noise)
        for backend in (FUSED, REFERENCE)
    )
    if dtype == torch.float32:  # a proposal's factor amplifies rounding, round by round
        loose = dict(rtol=2e-2, atol=2e-2)
    assert_alike(ours, plain, loose)


@pytest.mark.parametrize(('dof', 'num'), [(4, 2), (6, 2), (4, 0)])
def test_training_step_with_padding(random_objects, dof, num, monkeypatch):
    """A mask, a bad object, all outputs and gradients; and no objects at all."""
    objects = random_objects(num + 1, points=12, dof=dof)
    x3d, x2d, w2d, pose = (objects[i][:num].to(DEVICE) for i in (0, 1, 2, 4))
    camera = objects.camera
    bounds = [bound.to(DEVICE) for bound in camera.bounds()]
    camera = PerspectiveCamera(camera.cam2img[:num].to(DEVICE), camera.z_min, *bounds)
    mask = torch.ones(x3d.shape[:2], dtype=torch.bool, device=DEVICE)
    mask[:1, 9:] = False
    x3d[1:, 0, 0] = float('nan')
    search = RSLMSolver(num_points=6, num_proposals=2, num_iter=1)
    pnp = LAYERS[dof](64, 2, True, solver=LMSolver(num_iter=2), init_solver=search)
    results = []
    for name in ('triton', 'reference'):
        monkeypatch.setenv(SWITCH, name)
        assert choose(x3d).name == name
        torch.manual_seed(0)
        leaves = [tensor.clone().requires_grad_() for tensor in (x3d, x2d, w2d)]
        found = pnp.monte_carlo_forward(*leaves, camera, pose, True, mask=mask)
        loss = MonteCarloPoseLoss().eval().to(DEVICE)(found.log_weights, found.cost_target, 1.0)
        (loss + found.pose_plus.sum()).backward()
        results.append([*found, *(leaf.grad for leaf in leaves)])
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(('dof', 'suffix'), [(4, ''), (6, '_6dof')])
def test_golden_numbers(golden, golden_camera, dof, suffix):
    """The official layer's solutions, costs and gradients."""
    count = 48 if DEVICE == 'cuda' else 4
    part = {key: value[:count].to(DEVICE) for key, value in golden.items()}
    bounds = (bound.to(DEVICE) for bound in golden_camera.bounds())
    camera = PerspectiveCamera(part['cam2img'], golden_camera.z_min, *bounds)
    points = [part[name].clone().requires_grad_() for name in ('x3d', 'x2d', 'w2d')]
    pnp = LAYERS[dof](mc_samples=4, cost=AdaptiveHuberCost(detach_x2d=True))
    result = pnp(*points, camera, pose_init=part['pose_init' + suffix])
    torch.testing.assert_close(result.pose, part['lm10_pose' + suffix], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(result.cost, part['lm10_cost' + suffix], rtol=1e-9, atol=0)
    if dof == 4:
        found = pnp.monte_carlo_forward(*points, camera, part['pose_gt'], force_init_solve=False)
        torch.testing.assert_close(found.cost_target, part['cost_gt'])
        gradients = torch.autograd.grad(found.cost_target.sum(), points)
        for name, gradient in zip(('x3d', 'x2d', 'w2d'), gradients):
            expected = part[f'cost_gt_grad_{name}']
            assert (gradient - expected).norm() < 1e-9 * expected.norm()


@pytest.mark.parametrize('dof', [4, 6])
def test_launches(random_objects, repository, monkeypatch, dof):
    """Of an inference and of a training step, with all operations of torch around them."""
    monkeypatch.syspath_prepend(str(repository / 'benchmarks'))
    from kernel_counts import KernelCounter

    from epropnp_det.pnp import fused
    from epropnp_det.pnp.fused import light, normalizing, weighing

    launched = []
    for module in (fused, light, normalizing, weighing):
        monkeypatch.setattr(module, 'launch', lambda *_, **__: launched.append(1))
    objects = random_objects(5, points=24, dof=dof, dtype=torch.float32)
    x3d, x2d, w2d, pose = (objects[i].to(DEVICE) for i in (0, 1, 2, 4))
    bounds = [bound.to(DEVICE) for bound in objects.camera.bounds()]
    camera = PerspectiveCamera(objects.camera.cam2img.to(DEVICE), 0.1, *bounds)
    with KernelCounter() as counter, torch.no_grad():
        LAYERS[dof](normalize=True)(x3d, x2d, w2d, camera, fast_mode=True)
    inference = len(launched) + kernels(counter)
    launched.clear()
    leaves = [tensor.clone().requires_grad_() for tensor in (x3d, x2d, w2d)]
    loss = MonteCarloPoseLoss().to(DEVICE)
    with KernelCounter() as counter:
        found = LAYERS[dof](16, normalize=True).monte_carlo_forward(*leaves, camera, pose)
        loss(found.log_weights, found.cost_target, 1.0).backward()
    training = len(launched) + kernels(counter)
    assert 9 < inference <= INFERENCE
    assert 19 < training <= TRAINING


def kernels(counter) -> int:
    """What is left of the operations without tensors that are not even filled."""
    return sum(n for name, n in counter.operations.items() if 'empty' not in name)


def test_same_bits_whatever_the_neighbours(random_objects):
    pose_type, problem, start, _ = make_case(random_objects, torch.float32, 4, 3, DEVICE)
    together = FUSED.solve(pose_type, problem, start, LMSolver(num_iter=3))
    alone = FUSED.solve(pose_type, problem.slice(1, 2), start[1:2], LMSolver(num_iter=3))
    assert torch.equal(together.pose[1:2], alone.pose)


def test_tensors_of_a_cpu_need_the_interpreter(random_objects):
    from epropnp_det.pnp import fused

    if fused.INTERPRETED:
        pytest.skip('this is the interpreter')
    objects = random_objects(2, points=8)
    with pytest.raises(ValueError, match='unset EPROPNP_BACKEND'):
        EProPnP4DoF()(*objects[:4])

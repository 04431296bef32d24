"""Triton's kernels compute what the reference does: on a GPU, or in Triton's interpreter."""

from typing import NamedTuple

import pytest
import torch

from epropnp_det.pnp import (
    AdaptiveHuberCost,
    EProPnP4DoF,
    EProPnP6DoF,
    LMSolver,
    MonteCarloPoseLoss,
    PerspectiveCamera,
    RSLMSolver,
)
from epropnp_det.pnp.backend import REFERENCE, SWITCH, Backend, choose, load
from epropnp_det.pnp.pose import Parametrization
from epropnp_det.pnp.problem import Problem
from epropnp_det.pnp.proposals import draw_noise
from epropnp_det.pnp.random_sample import draw_subset_noise

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
FUSED = load('triton')
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
pytestmark = [
    pytest.mark.skipif(not isinstance(FUSED, Backend), reason=f'Triton does not load: {FUSED}'),
    pytest.mark.filterwarnings('ignore::RuntimeWarning'),  # the interpreter is numpy's
]
KINDS = [
    (torch.float64, 4, 3),
    (torch.float64, 6, 1),
    (torch.float32, 4, 1),
    (torch.float32, 6, 3),
]
"""Precision, degrees of freedom, objects; one takes the path of GPUs in the interpreter, too."""

INFERENCE, TRAINING = 16, 60
"""Most launches of a call."""


@pytest.fixture(autouse=True)
def named(monkeypatch):
    monkeypatch.setenv(SWITCH, 'triton')


class Case(NamedTuple):
    """Some objects, and poses near the true ones."""

    pose_type: Parametrization
    problem: Problem
    start: torch.Tensor
    loose: dict


def make_case(random_objects, dtype, dof, num, points=21) -> Case:
    torch.manual_seed(0)
    objects = random_objects(num, points=points, dof=dof, dtype=dtype)
    objects.camera.cam2img[-1, 0, 1] = 30.0  # skewed
    problem = objects.problem(torch.full((num,), 2.0, dtype=dtype))
    pose_type = LAYERS[dof].pose_type
    start = pose_type.canonical(objects.pose + 0.1 * torch.randn_like(objects.pose))
    tensors = (tensor.to(DEVICE) for tensor in problem.tensors)
    rtol = 1e-8 if dtype == torch.float64 else 2e-3
    loose = dict(rtol=rtol, atol=rtol)
    return Case(pose_type, Problem.of(tensors, problem.z_min), start.to(DEVICE), loose)


def assert_alike(ours, plain, loose):
    for one, other in zip(ours, plain):
        assert one.shape == other.shape and one.dtype == other.dtype
        scale = other.abs().amax().clamp(min=1e-30)
        torch.testing.assert_close(one / scale, other / scale, **loose)


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_solve(random_objects, dtype, dof, num):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num)
    for options, fast_mode in ((LMSolver(num_iter=4), False), (LMSolver(num_iter=2), True)):
        ours, plain = (
            backend.solve(pose_type, problem, start, options, fast_mode)
            for backend in (FUSED, REFERENCE)
        )
        assert_alike((ours.pose, *ours.linearization), (plain.pose, *plain.linearization), loose)


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_subsets(random_objects, dtype, dof, num):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num)
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
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num, points=70)
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
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num)
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


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
@pytest.mark.parametrize(('weighted', 'masked'), [(True, True), (False, False)])
def test_starts(random_objects, dtype, dof, num, weighted, masked):
    pose_type, problem, _, loose = make_case(random_objects, dtype, dof, num, points=300)
    mask = torch.rand(num, 300, device=DEVICE) < 0.7 if masked else None
    if masked:
        padding = {name: getattr(problem, name) * mask[:, None] for name in ('x3d', 'x2d', 'w2d')}
        problem = problem._replace(**padding)
    problem.w2d[0] = 0
    noise = pose_type.rotation_noise((num, 5), problem.x3d)
    ours, plain = (
        backend.start_poses(pose_type, problem, noise, weighted, mask)
        for backend in (FUSED, REFERENCE)
    )
    assert_alike([ours], [plain], loose)


@pytest.mark.parametrize('num', [1, 5])
def test_best_pose(num):
    poses = torch.randn(num, 6, 4, device=DEVICE)
    cost = torch.rand(num, 6, device=DEVICE)
    cost[0, :3] = cost[0, 4]  # a draw
    cost[0, 5] = float('nan')
    if num > 1:
        poses[1, :, 2] = -1.0  # all behind
        cost[2] = float('inf')
    for nearest in (0.1, -float('inf')):
        ours, plain = (backend.best_pose(poses, cost, nearest) for backend in (FUSED, REFERENCE))
        torch.testing.assert_close(ours, plain, rtol=0, atol=0)


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
@pytest.mark.parametrize('shifted', [True, False])
def test_frames(random_objects, dtype, dof, num, shifted):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num)
    offset = problem.x3d.mean(-1) + 0.5 if shifted else None
    poses = start[:, None] + torch.arange(5.0, device=DEVICE).to(start)[:, None]
    for name in ('enter_frame', 'leave_frame'):
        for given in (start, pose_type.canonical(poses)):
            ours, plain = (
                getattr(backend, name)(pose_type, given, offset) for backend in (FUSED, REFERENCE)
            )
            assert_alike([ours], [plain], loose)
    solution = REFERENCE.solve(pose_type, problem, start, LMSolver(num_iter=1))
    solution.cost[1:2] = float('nan')
    valid = torch.ones(num, dtype=torch.bool, device=DEVICE)
    valid[2:] = False
    ours, plain = (
        backend.conclude(pose_type, solution, offset, valid, 1e-5) for backend in (FUSED, REFERENCE)
    )
    assert plain.valid.sum() == 1
    assert torch.equal(ours.valid, plain.valid) and torch.equal(ours.converged, plain.converged)
    assert_alike(ours[:3], plain[:3], loose)


@pytest.mark.parametrize(('dof', 'masked'), [(4, False), (6, True)])
def test_usable(random_objects, dof, masked):
    num = 12
    objects = random_objects(num, points=20, dof=dof, dtype=torch.float32)
    points = torch.cat(objects[:3], dim=-1).transpose(1, 2).contiguous()
    cam2img, pose = objects.camera.cam2img.clone(), objects.pose.clone()
    bounds = torch.tensor([-200.0, -200, 1800, 1100]).repeat(num, 1)
    mask = torch.rand(num, 20) < 0.7 if masked else None
    if masked:
        mask[6] = False
        points *= mask[:, None]
    points[0, 1, 3] = float('nan')
    points[1, 5, 2] = -1e-3
    points[2, 3:5] = points[2, 3:5, :1]  # all in one pixel
    points[3, 5:, dof // 2 :] = 0  # barely enough weights
    points[4, 5:, dof // 2 :] = 0
    points[4, 6, 0] = 0  # one too few
    cam2img[5, 0, 0] = 0
    bounds[7, 2] = -200
    cam2img[8, 2, 2] = float('inf')
    pose[9, -1] = float('nan')
    arguments = [tensor.to(DEVICE) for tensor in (points, cam2img, bounds, pose)]
    mask = mask if mask is None else mask.to(DEVICE)
    for given in (arguments[3], None):
        ours, plain = (
            backend.usable(LAYERS[dof].pose_type, *arguments[:3], given, mask)
            for backend in (FUSED, REFERENCE)
        )
        assert torch.equal(ours, plain)
        assert 2 <= plain.sum() <= 5


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ('masked', 'centered', 'detach'), [(False, True, False), (True, False, True)]
)
def test_build_problem(random_objects, dtype, masked, centered, detach):
    """The problem, the origin, and the gradient; of placeholders, too."""
    num = 4
    objects = random_objects(num, points=21, dtype=dtype)
    cam2img = objects.camera.cam2img.clone()
    cam2img[1, 0, 1] = 30.0
    bounds = torch.tensor([-200.0, -200, 1800, 1100], dtype=dtype).repeat(num, 1)
    points = torch.cat(objects[:3], dim=-1).transpose(1, 2).contiguous()
    points[2] = float('nan')  # invalid
    points[3, 3:5] = points[3, 3:5, :1]  # no spread
    mask = torch.rand(num, 21) < 0.7 if masked else None
    if masked:
        points = torch.where(mask[:, None], points, torch.zeros_like(points))
    valid = torch.tensor([True, True, False, True], device=DEVICE)
    mask = mask if mask is None else mask.to(DEVICE)
    cost = AdaptiveHuberCost(0.3, detach_x2d=detach)
    found = []
    for backend in (FUSED, REFERENCE):
        leaf = points.to(DEVICE).requires_grad_()
        arguments = (leaf, cam2img.to(DEVICE), bounds.to(DEVICE), valid, 0.1, mask, cost, centered)
        problem, offset = backend.build_problem(*arguments)
        assert (offset is None) != centered
        assert not any(tensor.requires_grad for tensor in problem.tensors[4:])
        torch.manual_seed(0)
        upstream = [torch.randn_like(tensor) for tensor in problem.tensors[:4]]
        upstream[1][1, 0, 5] = float('inf')  # which leaves its object without any gradient
        (gradient,) = torch.autograd.grad(problem.tensors[:4], leaf, upstream)
        fields = [*problem.tensors, *([offset] if centered else [])]
        found.append([*(field.detach() for field in fields), gradient[:2], gradient[3:]])
    rtol = 1e-10 if dtype == torch.float64 else 1e-5
    assert_alike(*found, dict(rtol=rtol, atol=rtol))


@pytest.mark.parametrize('what', ['learnable', 'camera'])
def test_build_problem_with_rare_gradients(random_objects, what):
    """A threshold that is learned and intrinsics get theirs from the reference."""
    objects = random_objects(2, points=9)
    points = torch.cat(objects[:3], dim=-1).transpose(1, 2).to(DEVICE)
    cam2img = objects.camera.cam2img.to(DEVICE).requires_grad_(what == 'camera')
    cost = AdaptiveHuberCost(learnable=what == 'learnable').to(DEVICE)
    bounds = points.new_tensor([[-200.0, -200, 1800, 1100]]).repeat(2, 1)
    valid = torch.ones(2, dtype=torch.bool, device=DEVICE)
    problem, _ = FUSED.build_problem(points, cam2img, bounds, valid, 0.1, None, cost, True)
    leaf = cam2img if what == 'camera' else cost.log_relative_delta
    total = sum(tensor.sum() for tensor in problem.tensors)
    (gradient,) = torch.autograd.grad(total, leaf)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('num', [1, 5])
def test_divergence(dtype, num):
    """Values and gradients; of objects with a number that is not finite, too."""
    torch.manual_seed(0)
    log_weights = 5 * torch.randn(13, num, dtype=dtype).t()  # of objects first, but not so stored
    target = torch.rand(num, dtype=dtype)
    if num > 1:
        log_weights[1, 4], log_weights[2, 3] = float('nan'), float('-inf')
        target[3] = float('inf')
    upstream = torch.randn(num, dtype=dtype).to(DEVICE)
    found = []
    for backend in (FUSED, REFERENCE):
        leaves = [tensor.to(DEVICE).requires_grad_() for tensor in (log_weights, target)]
        value = backend.divergence(*leaves)
        found.append([value.detach(), *torch.autograd.grad(value, leaves, upstream)])
    rtol = 1e-12 if dtype == torch.float64 else 1e-5
    assert_alike(*found, dict(rtol=rtol, atol=rtol))


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_covariance(random_objects, dtype, dof, num):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num)
    system = REFERENCE.solve(pose_type, problem, start, LMSolver(num_iter=4)).linearization
    ours, plain = (backend.covariance(system, 1e-5) for backend in (FUSED, REFERENCE))
    assert_alike([ours], [plain], loose)


def test_sound():
    """Of any number of tensors of any shape, strided too."""
    torch.manual_seed(0)
    tensors = [torch.randn(12, *shape) for shape in ((300, 4), (), (5,), (2, 3), (7,), (0,))]
    tensors[1] = torch.randn(12, 3)[:, 1]
    tensors[2] = torch.randn(5, 12).t()
    tensors[0][1, 299, 3] = float('nan')
    tensors[1][2], tensors[2][3, 4] = float('inf'), float('-inf')
    tensors[3][4, 0, 2] = tensors[4][5, 6] = float('nan')
    valid = torch.ones(12, dtype=torch.bool)
    valid[0] = False
    tensors, valid = [tensor.to(DEVICE) for tensor in tensors], valid.to(DEVICE)
    for count in range(1, 7):
        ours, plain = (b.sound(valid, *tensors[:count]) for b in (FUSED, REFERENCE))
        assert torch.equal(ours, plain) and plain.sum() == 11 - min(count, 5)


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
    pose_type, problem, start, _ = make_case(random_objects, torch.float32, 4, 3)
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

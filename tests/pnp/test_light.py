"""What is light on Numba and on Triton is what the reference makes of it."""

import pytest
import torch

from epropnp_det.pnp import AdaptiveHuberCost, LMSolver
from epropnp_det.pnp.backend import REFERENCE, SWITCH, Backend, load
from support.pnp_cases import KINDS, LAYERS, assert_alike, make_case

pytestmark = pytest.mark.filterwarnings('ignore::RuntimeWarning')  # Triton's interpreter is numpy's


@pytest.fixture(params=['numba', 'triton'])
def fast(request, monkeypatch):
    found = load(request.param)
    if not isinstance(found, Backend):
        pytest.skip(f'{request.param} does not load: {found}')
    monkeypatch.setenv(SWITCH, request.param)
    return found


@pytest.fixture
def device(fast):
    return 'cuda' if fast.name == 'triton' and torch.cuda.is_available() else 'cpu'


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
@pytest.mark.parametrize(('weighted', 'masked'), [(True, True), (False, False)])
def test_starts(random_objects, dtype, dof, num, weighted, masked, fast, device):
    pose_type, problem, _, loose = make_case(random_objects, dtype, dof, num, device, points=300)
    mask = torch.rand(num, 300, device=device) < 0.7 if masked else None
    if masked:
        padding = {name: getattr(problem, name) * mask[:, None] for name in ('x3d', 'x2d', 'w2d')}
        problem = problem._replace(**padding)
    problem.w2d[0] = 0
    noise = pose_type.rotation_noise((num, 5), problem.x3d)
    ours, plain = (
        backend.start_poses(pose_type, problem, noise, weighted, mask)
        for backend in (fast, REFERENCE)
    )
    assert_alike([ours], [plain], loose)


@pytest.mark.parametrize('num', [1, 5])
def test_best_pose(num, fast, device):
    poses = torch.randn(num, 6, 4, device=device)
    cost = torch.rand(num, 6, device=device)
    cost[0, :3] = cost[0, 4]  # a draw
    cost[0, 5] = float('nan')
    if num > 1:
        poses[1, :, 2] = -1.0  # all behind
        cost[2] = float('inf')
    for nearest in (0.1, -float('inf')):
        ours, plain = (backend.best_pose(poses, cost, nearest) for backend in (fast, REFERENCE))
        torch.testing.assert_close(ours, plain, rtol=0, atol=0)


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
@pytest.mark.parametrize('shifted', [True, False])
def test_frames(random_objects, dtype, dof, num, shifted, fast, device):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num, device)
    offset = problem.x3d.mean(-1) + 0.5 if shifted else None
    poses = start[:, None] + torch.arange(5.0, device=device).to(start)[:, None]
    for name in ('enter_frame', 'leave_frame'):
        for given in (start, pose_type.canonical(poses)):
            ours, plain = (
                getattr(backend, name)(pose_type, given, offset) for backend in (fast, REFERENCE)
            )
            assert_alike([ours], [plain], loose)
    solution = REFERENCE.solve(pose_type, problem, start, LMSolver(num_iter=1))
    solution.cost[1:2] = float('nan')
    valid = torch.ones(num, dtype=torch.bool, device=device)
    valid[2:] = False
    ours, plain = (
        backend.conclude(pose_type, solution, offset, valid, 1e-5) for backend in (fast, REFERENCE)
    )
    assert plain.valid.sum() == 1
    assert torch.equal(ours.valid, plain.valid) and torch.equal(ours.converged, plain.converged)
    assert_alike(ours[:3], plain[:3], loose)


@pytest.mark.parametrize(('dof', 'masked'), [(4, False), (6, True)])
def test_usable(random_objects, dof, masked, fast, device):
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
    arguments = [tensor.to(device) for tensor in (points, cam2img, bounds, pose)]
    mask = mask if mask is None else mask.to(device)
    for given in (arguments[3], None):
        ours, plain = (
            backend.usable(LAYERS[dof].pose_type, *arguments[:3], given, mask)
            for backend in (fast, REFERENCE)
        )
        assert torch.equal(ours, plain)
        assert 2 <= plain.sum() <= 5


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ('masked', 'centered', 'detach'), [(False, True, False), (True, False, True)]
)
def test_build_problem(random_objects, dtype, masked, centered, detach, fast, device):
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
    valid = torch.tensor([True, True, False, True], device=device)
    mask = mask if mask is None else mask.to(device)
    cost = AdaptiveHuberCost(0.3, detach_x2d=detach)
    found = []
    for backend in (fast, REFERENCE):
        leaf = points.to(device).requires_grad_()
        arguments = (leaf, cam2img.to(device), bounds.to(device), valid, 0.1, mask, cost, centered)
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


def test_build_problem_twice(random_objects, fast, device):
    """Gradients of gradients."""
    objects = random_objects(2, points=5)
    points = torch.cat(objects[:3], dim=-1).transpose(1, 2).to(device)
    cam2img = objects.camera.cam2img.to(device)
    bounds = points.new_tensor([[-200.0, -200, 1800, 1100]]).repeat(2, 1)
    valid = torch.ones(2, dtype=torch.bool, device=device)
    found = []
    for backend in (fast, REFERENCE):
        leaf = points.clone().requires_grad_()
        cost = AdaptiveHuberCost()
        problem, _ = backend.build_problem(leaf, cam2img, bounds, valid, 0.1, None, cost, True)
        total = sum((field * field).sum() for field in problem.tensors[:4])
        (first,) = torch.autograd.grad(total, leaf, create_graph=True)
        (second,) = torch.autograd.grad((first * first).sum(), leaf)
        found.append([first.detach(), second])
    assert_alike(*found, dict(rtol=1e-9, atol=1e-9))


@pytest.mark.parametrize('what', ['learnable', 'camera'])
def test_build_problem_with_rare_gradients(random_objects, what, fast, device):
    """A threshold that is learned and intrinsics get theirs from the reference."""
    objects = random_objects(2, points=9)
    points = torch.cat(objects[:3], dim=-1).transpose(1, 2).to(device)
    cam2img = objects.camera.cam2img.to(device).requires_grad_(what == 'camera')
    cost = AdaptiveHuberCost(learnable=what == 'learnable').to(device)
    bounds = points.new_tensor([[-200.0, -200, 1800, 1100]]).repeat(2, 1)
    valid = torch.ones(2, dtype=torch.bool, device=device)
    problem, _ = fast.build_problem(points, cam2img, bounds, valid, 0.1, None, cost, True)
    leaf = cam2img if what == 'camera' else cost.log_relative_delta
    total = sum(tensor.sum() for tensor in problem.tensors)
    (gradient,) = torch.autograd.grad(total, leaf)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('num', [1, 5])
def test_divergence(dtype, num, fast, device):
    """Values and gradients; of objects with a number that is not finite, too."""
    torch.manual_seed(0)
    log_weights = 5 * torch.randn(13, num, dtype=dtype).t()  # of objects first, but not so stored
    target = torch.rand(num, dtype=dtype)
    if num > 1:
        log_weights[1, 4], log_weights[2, 3] = float('nan'), float('-inf')
        target[3] = float('inf')
    upstream = torch.randn(num, dtype=dtype).to(device)
    found = []
    for backend in (fast, REFERENCE):
        leaves = [tensor.to(device).requires_grad_() for tensor in (log_weights, target)]
        value = backend.divergence(*leaves)
        found.append([value.detach(), *torch.autograd.grad(value, leaves, upstream)])
    rtol = 1e-12 if dtype == torch.float64 else 1e-5
    assert_alike(*found, dict(rtol=rtol, atol=rtol))


@pytest.mark.parametrize(('dtype', 'dof', 'num'), KINDS)
def test_covariance(random_objects, dtype, dof, num, fast, device):
    pose_type, problem, start, loose = make_case(random_objects, dtype, dof, num, device)
    system = REFERENCE.solve(pose_type, problem, start, LMSolver(num_iter=4)).linearization
    ours, plain = (backend.covariance(system, 1e-5) for backend in (fast, REFERENCE))
    assert_alike([ours], [plain], loose)


def test_sound(fast, device):
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
    tensors, valid = [tensor.to(device) for tensor in tensors], valid.to(device)
    for count in range(1, 7):
        ours, plain = (b.sound(valid, *tensors[:count]) for b in (fast, REFERENCE))
        assert torch.equal(ours, plain) and plain.sum() == 11 - min(count, 5)

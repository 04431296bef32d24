import math

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

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
pytestmark = pytest.mark.usefixtures('backend')


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def relative_error(ours, expected):
    return ((ours - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(('dof', 'suffix'), [(4, ''), (6, '_6dof')])
def test_golden_solutions(golden, golden_camera, dof, suffix):
    points = (golden['x3d'], golden['x2d'], golden['w2d'])
    result = LAYERS[dof]()(*points, golden_camera, pose_init=golden['pose_init' + suffix])
    torch.testing.assert_close(result.pose, golden['lm10_pose' + suffix], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(result.cost, golden['lm10_cost' + suffix], rtol=1e-9, atol=0)
    expected = golden['lm10_cov' + suffix]
    deviation = expected.diagonal(dim1=1, dim2=2).sqrt()
    scale = deviation[:, :, None] * deviation[:, None]
    assert ((result.pose_cov - expected) / scale).abs().max() < 1e-5
    assert result.valid.all()


def test_golden_gauss_newton_step_and_gradient(golden, golden_camera):
    names = ('x3d', 'x2d', 'w2d')
    points = [golden[name].clone().requires_grad_() for name in names]
    pnp = EProPnP4DoF(solver=LMSolver(num_iter=0))
    result = pnp(*points, golden_camera, pose_init=golden['lm10_pose'], with_pose_plus=True)
    step = result.pose_plus - result.pose
    torch.testing.assert_close(step, golden['gn_step'], rtol=1e-6, atol=1e-10)
    gradients = torch.autograd.grad((step * step).sum() + step.sum(), points)
    for name, gradient in zip(names, gradients):
        assert relative_error(gradient, golden[f'gn_grad_{name}']) < 1e-9


def test_golden_target_cost_and_gradient(golden, golden_camera):
    names = ('x3d', 'x2d', 'w2d')
    points = [golden[name].clone().requires_grad_() for name in names]
    pnp = EProPnP4DoF(mc_samples=4, cost=AdaptiveHuberCost(detach_x2d=True))
    result = pnp.monte_carlo_forward(*points, golden_camera, pose_init=golden['pose_gt'])
    torch.testing.assert_close(result.cost_target, golden['cost_gt'])
    gradients = torch.autograd.grad(result.cost_target.sum(), points)
    for name, gradient in zip(names, gradients):
        assert relative_error(gradient, golden[f'cost_gt_grad_{name}']) < 1e-9


def test_golden_posterior(golden, golden_camera):
    """Within the sampling error of both sides: 16,384 samples there and here."""
    golden = {key: value[:24] for key, value in golden.items()}
    points = (golden['x3d'], golden['x2d'], golden['w2d'])
    pnp = EProPnP4DoF(mc_samples=16384)
    result = pnp.monte_carlo_forward(
        *points, golden_camera[:24], pose_init=golden['pose_gt'], generator=seeded()
    )
    log_normalizer = result.log_weights.logsumexp(0)
    difference = log_normalizer - golden['log_normalizer']
    assert difference.abs().max() < 0.05
    assert difference.mean().abs() < 0.01
    share = result.log_weights.softmax(0)[..., None]
    mean = (share * result.samples[..., :3]).sum(0)
    deviation = golden['position_cov'].diagonal(dim1=1, dim2=2).sqrt()
    assert ((mean - golden['position_mean']) / deviation).abs().max() < 0.08
    centred = result.samples[..., :3] - mean
    variance = (share * centred.square()).sum(0)
    assert (variance.sqrt() / deviation).log().abs().max() < 0.1
    assert (result.ess / golden['ess']).log().abs().max() < 0.15


@pytest.mark.parametrize('normalize', [False, True])
@pytest.mark.parametrize('dof', [4, 6])
def test_derivative_step_gradcheck(random_objects, dof, normalize):
    objects = random_objects(2, points=6, dof=dof, noise=1.0)
    pnp = LAYERS[dof](solver=LMSolver(num_iter=0), normalize=normalize)

    def step(x3d, x2d, w2d):
        result = pnp(x3d, x2d, w2d, objects.camera, objects.pose, with_pose_plus=True)
        return result.pose_plus

    inputs = [tensor.requires_grad_() for tensor in objects[:3]]
    if normalize:  # the offset carries no gradient by design: keep the mean where it is
        mean = objects.x3d.detach().mean(1, keepdim=True)
        centred = lambda x3d, *rest: step(x3d - x3d.mean(1, keepdim=True) + mean, *rest)  # noqa: E731
        assert torch.autograd.gradcheck(centred, inputs)
    else:
        assert torch.autograd.gradcheck(step, inputs)


@pytest.mark.parametrize('dof', [4, 6])
def test_normalisation_changes_the_path_but_not_the_solution(random_objects, dof):
    objects = random_objects(20, dof=dof)
    x3d = objects.x3d + torch.tensor([0.5, -0.2, 0.3], dtype=torch.float64)
    points = (x3d, objects.x2d, objects.w2d)
    results = [
        LAYERS[dof](normalize=normalize, solver=LMSolver(num_iter=60))(
            *points, objects.camera, pose_init=objects.pose
        )
        for normalize in (False, True)
    ]
    torch.testing.assert_close(results[0].pose, results[1].pose, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(results[0].cost, results[1].cost)
    torch.testing.assert_close(results[0].pose_cov, results[1].pose_cov, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize('dof', [4, 6])
def test_batched_equals_looped(random_objects, dof):
    objects = random_objects(6, dof=dof)
    pnp = LAYERS[dof]()
    together = pnp(*objects[:4], pose_init=objects.pose, with_pose_plus=True)
    for index in range(6):
        part = slice(index, index + 1)
        alone = pnp(
            objects.x3d[part],
            objects.x2d[part],
            objects.w2d[part],
            objects.camera[part],
            pose_init=objects.pose[part],
            with_pose_plus=True,
        )
        for one, other in zip(alone, together):
            torch.testing.assert_close(one, other[part])


@pytest.mark.parametrize('dof', [4, 6])
def test_leading_axes(random_objects, dof):
    objects = random_objects(6, dof=dof)
    pnp = LAYERS[dof](mc_samples=16)
    camera = objects.camera
    folded = PerspectiveCamera(
        camera.cam2img.view(2, 3, 3, 3), camera.z_min, camera.lower, camera.upper
    )
    shape = [tensor.view(2, 3, *tensor.shape[1:]) for tensor in objects[:3]]
    pose = objects.pose.view(2, 3, -1)
    flat = pnp.monte_carlo_forward(*objects[:4], objects.pose, True, generator=seeded())
    deep = pnp.monte_carlo_forward(*shape, folded, pose, True, generator=seeded())
    assert deep.samples.shape == (16, 2, 3, objects.pose.size(-1))
    assert deep.log_weights.shape == (16, 2, 3)
    for name, one in flat._asdict().items():
        other = getattr(deep, name)
        assert torch.equal(
            other.flatten(1, 2) if name in ('samples', 'log_weights') else other.flatten(0, 1), one
        )
    single = pnp(
        objects.x3d[0], objects.x2d[0], objects.w2d[0], PerspectiveCamera(camera.cam2img[0])
    )
    assert single.pose.shape == objects.pose.shape[1:]
    assert single.cost.shape == ()


def test_one_camera_serves_all_objects(random_objects):
    objects = random_objects(5)
    shared = PerspectiveCamera.from_image_size(
        objects.camera.cam2img[0], torch.tensor([1600.0, 900.0])
    )
    pnp = EProPnP4DoF()
    one = pnp(*objects[:3], shared, pose_init=objects.pose)
    other = pnp(*objects[:3], objects.camera, pose_init=objects.pose)
    assert torch.equal(one.pose, other.pose)


@pytest.mark.parametrize('dof', [4, 6])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_training_step(random_objects, dof, dtype):
    objects = random_objects(12, points=64, dof=dof, dtype=dtype)
    inputs = [tensor.requires_grad_() for tensor in objects[:3]]
    pnp, loss = LAYERS[dof](mc_samples=64, normalize=True), MonteCarloPoseLoss()
    result = pnp.monte_carlo_forward(
        *inputs, objects.camera, pose_init=objects.pose, with_pose_plus=True, generator=seeded()
    )
    assert not result.pose.requires_grad
    assert not result.cost.requires_grad
    assert not result.samples.requires_grad
    assert result.pose.dtype == dtype
    value = loss(result.log_weights, result.cost_target, objects.w2d.mean())
    (value + (result.pose_plus[:, :3] - objects.pose[:, :3]).norm(dim=1).mean()).backward()
    for tensor in inputs:
        assert torch.isfinite(tensor.grad).all()
        assert (tensor.grad.flatten(1).norm(dim=1) > 0).all()
    assert (result.ess > 5).double().mean() > 0.8
    assert result.valid.all()


def test_descending_the_loss_improves_the_correspondences(random_objects):
    """Learns x2d of noisy objects from the true pose alone."""
    objects = random_objects(8, points=16, noise=15.0)
    pnp = EProPnP4DoF(mc_samples=64)
    x2d = objects.x2d.clone().requires_grad_()
    optimizer = torch.optim.SGD([x2d], lr=3.0)
    generator = seeded()

    def error():
        result = pnp(objects.x3d, x2d.detach(), objects.w2d, objects.camera, objects.pose)
        return (result.pose[:, :3] - objects.pose[:, :3]).norm(dim=1).mean().item()

    before = error()
    for _ in range(60):
        result = pnp.monte_carlo_forward(
            objects.x3d, x2d, objects.w2d, objects.camera, objects.pose, generator=generator
        )
        optimizer.zero_grad()
        (result.cost_target + result.log_weights.logsumexp(0)).sum().backward()
        optimizer.step()
    assert error() < 0.3 * before


def test_ground_truth_start_is_taken_only_where_strictly_better(random_objects):
    objects = random_objects(30)
    generator = seeded()
    bad = objects.pose + torch.tensor([3.0, 1.0, 20.0, 2.0], dtype=torch.float64)
    pnp = EProPnP4DoF(solver=LMSolver(num_iter=0))
    found = pnp.initialize(*objects[:4], generator=seeded())
    forced = pnp(*objects[:4], bad, generator=generator, force_init_solve=True)
    torch.testing.assert_close(forced.pose[:, :3], found.pose[:, :3])
    good = pnp(*objects[:4], objects.pose, generator=seeded(), force_init_solve=True)
    kept = (good.pose == objects.pose).all(1)
    assert torch.equal(kept, good.cost < found.cost - 1e-9)
    assert kept.any()
    plain = pnp(*objects[:4], bad)
    torch.testing.assert_close(plain.pose[:, :3], bad[:, :3])


@pytest.mark.parametrize('normalize', [False, True])
def test_hypothesis_replaces_the_random_search(random_objects, normalize):
    objects = random_objects(10)
    pnp = EProPnP4DoF(normalize=normalize, mc_samples=16)
    found = pnp.initialize(*objects[:4], generator=seeded())
    shared = pnp(*objects[:4], hypothesis=found)
    fresh = pnp(*objects[:4], generator=seeded())
    torch.testing.assert_close(shared.pose, fresh.pose, atol=1e-6, rtol=1e-6)
    result = pnp.monte_carlo_forward(*objects[:4], objects.pose, hypothesis=found)
    assert (result.cost <= found.cost + 1e-9).all()


@pytest.mark.parametrize('fast_mode', [False, True])
def test_same_seed_same_result(random_objects, fast_mode):
    objects = random_objects(6, dtype=torch.float32)
    pnp = EProPnP4DoF(mc_samples=32)
    results = [
        pnp.monte_carlo_forward(*objects[:4], fast_mode=fast_mode, generator=seeded(seed))
        for seed in (1, 1, 2)
    ]
    for one, other in zip(results[0], results[1]):
        assert (one is None and other is None) or torch.equal(one, other)
    assert not torch.equal(results[0].samples, results[2].samples)


def test_fast_mode_reports_its_own_cost_and_covariance(random_objects):
    objects = random_objects(20, noise=10.0)
    pnp = EProPnP4DoF(solver=LMSolver(num_iter=3))
    result = pnp(*objects[:4], fast_mode=True, generator=seeded())
    again = EProPnP4DoF(solver=LMSolver(num_iter=0))(
        *objects[:4], pose_init=result.pose, fast_mode=True
    )
    torch.testing.assert_close(again.cost, result.cost)
    torch.testing.assert_close(again.pose_cov, result.pose_cov)


def test_yaw_is_wrapped(random_objects):
    objects = random_objects(10)
    turned = objects.pose + torch.tensor([0.0, 0.0, 0.0, 4 * math.pi], dtype=torch.float64)
    result = EProPnP4DoF(mc_samples=16).monte_carlo_forward(*objects[:4], turned)
    assert result.pose[:, 3].abs().max() <= math.pi
    assert result.samples[..., 3].abs().max() <= math.pi


def test_convergence_flag(random_objects):
    objects = random_objects(30)
    start = objects.pose + torch.tensor([0.5, 0.2, 3.0, 0.2], dtype=torch.float64)
    early = EProPnP4DoF(solver=LMSolver(num_iter=0))(*objects[:4], start)
    late = EProPnP4DoF(solver=LMSolver(num_iter=30))(*objects[:4], start)
    assert not early.converged.any()
    assert late.converged.all()


@pytest.mark.parametrize('dof', [4, 6])
def test_no_objects(random_objects, dof):
    objects = random_objects(0, dof=dof, dtype=torch.float32)
    inputs = [tensor.requires_grad_() for tensor in objects[:3]]
    pnp, loss = LAYERS[dof](mc_samples=16, normalize=True), MonteCarloPoseLoss()
    result = pnp.monte_carlo_forward(*inputs, objects.camera, objects.pose, with_pose_plus=True)
    assert result.samples.shape == (16, 0, objects.pose.size(1))
    value = loss(result.log_weights, result.cost_target, 1.0)
    (value + result.pose_plus.sum()).backward()
    assert all(tensor.grad is not None for tensor in inputs)
    assert pnp(*objects[:4], fast_mode=True).pose.shape == objects.pose.shape


def test_autocast_does_not_reach_the_solver(random_objects):
    objects = random_objects(4, dtype=torch.float32)
    pnp = EProPnP4DoF()
    expected = pnp(*objects[:4], objects.pose)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = pnp(*objects[:4], objects.pose)
    assert torch.equal(result.pose, expected.pose)


def test_half_precision_inputs_are_solved_in_float32(random_objects):
    objects = random_objects(4, dtype=torch.float32)
    x3d = objects.x3d.bfloat16().requires_grad_()
    result = EProPnP4DoF(mc_samples=16).monte_carlo_forward(
        x3d, objects.x2d.bfloat16(), objects.w2d.bfloat16(), objects.camera, objects.pose
    )
    assert result.pose.dtype == torch.float32
    result.log_weights.sum().backward()
    assert x3d.grad.dtype == torch.bfloat16


def test_inputs_stay_untouched(random_objects):
    objects = random_objects(4)
    copies = [tensor.clone() for tensor in (*objects[:3], objects.pose)]
    EProPnP4DoF(mc_samples=16, normalize=True).monte_carlo_forward(*objects[:4], objects.pose)
    for tensor, copy in zip((*objects[:3], objects.pose), copies):
        assert torch.equal(tensor, copy)


def test_clear_errors(random_objects):
    x3d, x2d, w2d, camera, pose = random_objects(4)
    pnp = EProPnP4DoF()
    with pytest.raises(ValueError, match='x2d must be'):
        pnp(x3d, x2d[:, :3], w2d, camera)
    with pytest.raises(ValueError, match='x3d must be'):
        pnp(x3d[..., :2], x2d, w2d, camera)
    with pytest.raises(ValueError, match='pose_init must be'):
        EProPnP6DoF()(x3d, x2d, w2d, camera, pose_init=pose)
    with pytest.raises(ValueError, match='cam2img has leading shape'):
        pnp(x3d, x2d, w2d, camera[:3])
    with pytest.raises(ValueError, match='floating point'):
        pnp(x3d, x2d.long(), w2d, camera)
    with pytest.raises(ValueError, match='hypothesis must have shape'):
        pnp(x3d, x2d, w2d, camera, hypothesis=pnp.initialize(x3d[:2], x2d[:2], w2d[:2], camera[:2]))
    with pytest.raises(ValueError, match='multiple'):
        EProPnP4DoF(mc_samples=10, num_iter=4)
    with pytest.raises(ValueError, match='is on meta'):
        pnp(x3d, x2d.to('meta'), w2d, camera)


def test_options_show_in_print():
    text = str(EProPnP4DoF(init_solver=RSLMSolver(num_points=7)))
    assert 'mc_samples=512' in text
    assert 'num_points=7' in text

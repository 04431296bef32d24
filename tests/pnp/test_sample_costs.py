from functools import partial

import pytest
import torch

from epropnp_det.pnp import AdaptiveHuberCost, Pose4DoF, Pose6DoF
from epropnp_det.pnp.importance_sampling import sample_costs
from epropnp_det.pnp.reference.costs import (
    differentiable_costs,
    pose_costs,
    pose_costs_gradient,
)


def scattered_poses(objects, pose_type, num, spread=1.0):
    generator = torch.Generator().manual_seed(3)
    step = torch.randn(len(objects.pose), num, pose_type.dof, generator=generator)
    scale = torch.tensor([1.0, 0.5, 4.0, 0.5, 0.5, 0.5][: pose_type.dof]) * spread
    pose = objects.pose[:, None].expand(-1, num, -1)
    return pose_type.retract(pose, (step * scale).to(objects.pose))


def leaves(objects):
    names = ('x3d', 'x2d', 'w2d')
    return objects._replace(**{n: getattr(objects, n).clone().requires_grad_() for n in names})


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_equals_autograd_forward_and_backward(random_objects, pose_type, backend):
    objects = random_objects(7, points=24, dof=pose_type.dof, noise=15.0)
    poses = scattered_poses(objects, pose_type, 10, spread=3.0)  # some clamped, some behind
    generator = torch.Generator().manual_seed(4)
    upstream = torch.randn(7, 10, generator=generator, dtype=torch.float64)
    results = []
    for function in (partial(sample_costs, backend), differentiable_costs):
        inputs = leaves(objects)
        problem = inputs.problem(AdaptiveHuberCost(0.2)(inputs.x2d, inputs.w2d))
        cost = function(pose_type, problem, poses)
        cost.backward(upstream)
        results.append((cost.detach(), *(inputs[i].grad for i in range(3))))
    for ours, reference in zip(*results):
        torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize('chunk_points', [1, 100, 10**9])
def test_chunks_change_nothing(random_objects, chunk_points):
    objects = random_objects(7, points=24)
    problem = objects.problem(AdaptiveHuberCost(0.2)(objects.x2d, objects.w2d))
    poses = scattered_poses(objects, Pose4DoF, 10)
    expected = differentiable_costs(Pose4DoF, problem, poses)
    torch.testing.assert_close(pose_costs(Pose4DoF, problem, poses, chunk_points), expected)
    upstream = torch.ones_like(expected)
    whole = pose_costs_gradient(Pose4DoF, problem, poses, upstream)
    parts = pose_costs_gradient(Pose4DoF, problem, poses, upstream, chunk_points=chunk_points)
    for one, other in zip(parts, whole):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_gradcheck(random_objects, pose_type, backend):
    objects = random_objects(2, points=4, dof=pose_type.dof, noise=10.0)
    poses = scattered_poses(objects, pose_type, 3)

    def cost(x3d, x2d, w2d):
        inputs = objects._replace(x3d=x3d, x2d=x2d, w2d=w2d)
        problem = inputs.problem(AdaptiveHuberCost(0.3)(x2d, w2d))
        return sample_costs(backend, pose_type, problem, poses)

    assert torch.autograd.gradcheck(cost, leaves(objects)[:3])


def test_clamped_and_near_points_get_no_gradient(random_objects, backend):
    objects = random_objects(1, points=3)
    x3d = objects.x3d.clone()
    x3d[0, 0] = torch.tensor([0.0, 900.0, 0.0])  # v clamped
    objects = leaves(objects._replace(x3d=x3d))
    problem = objects.problem(torch.tensor([1e9], dtype=torch.float64))
    sample_costs(backend, Pose4DoF, problem, objects.pose[:, None]).sum().backward()
    assert objects.x3d.grad[0, 0, 1] == 0
    assert objects.x2d.grad[0, 0, 1] != 0


def test_exact_match_has_zero_gradient(random_objects, backend):
    objects = leaves(random_objects(2, noise=0.0))
    problem = objects.problem(torch.ones(2, dtype=torch.float64))
    cost = sample_costs(backend, Pose4DoF, problem, objects.pose[:, None])
    cost.sum().backward()
    assert cost.max() < 1e-8
    for tensor in objects[:3]:
        assert torch.isfinite(tensor.grad).all()
        assert tensor.grad.abs().max() < 1e-6


def test_agrees_with_the_single_pose_cost(random_objects, backend):
    objects = random_objects(5, dof=6)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    cost = backend.pose_costs(Pose6DoF, problem, objects.pose[:, None])
    torch.testing.assert_close(
        cost[:, 0], differentiable_costs(Pose6DoF, problem, objects.pose[:, None])[:, 0]
    )


def test_float32_is_close_to_float64(random_objects, backend):
    objects = random_objects(20, points=64)
    poses = scattered_poses(objects, Pose4DoF, 16)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    single = type(problem)(*(f.float() if torch.is_tensor(f) else f for f in problem))
    cost = backend.pose_costs(Pose4DoF, single, poses.float())
    torch.testing.assert_close(
        cost.double(), backend.pose_costs(Pose4DoF, problem, poses), rtol=2e-5, atol=1e-3
    )


def test_no_objects(random_objects, backend):
    objects = leaves(random_objects(0))
    problem = objects.problem(objects.x2d.new_zeros(0))
    cost = sample_costs(backend, Pose4DoF, problem, objects.pose.new_zeros(0, 6, 4))
    assert cost.shape == (0, 6)
    cost.sum().backward()
    assert objects.x3d.grad.shape == objects.x3d.shape


def test_keeps_no_residuals(random_objects, backend):
    """What autograd saves is independent of samples times points."""
    objects = leaves(random_objects(4, points=64))
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    poses = scattered_poses(objects, Pose4DoF, 256)
    saved = []

    def pack(tensor):
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        sample_costs(backend, Pose4DoF, problem, poses)
    assert sum(saved) < 4 * 256 * 64 / 4


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_pruned_gradient_stays_within_its_bound(random_objects, pose_type, backend):
    objects = random_objects(9, points=24, dof=pose_type.dof)
    poses = scattered_poses(objects, pose_type, 64)
    generator = torch.Generator().manual_seed(4)
    upstream = (6 * torch.randn(9, 64, generator=generator, dtype=torch.float64)).softmax(1)
    upstream[3] = 0
    gradients = []
    for tolerance in (0.0, 1e-2):
        inputs = leaves(objects)
        problem = inputs.problem(torch.full((9,), 3.0, dtype=torch.float64))
        cost = sample_costs(backend, pose_type, problem, poses, tolerance=tolerance)
        cost.backward(upstream)
        gradients.append(inputs.x2d.grad)
    error = (gradients[0] - gradients[1]).flatten(1).norm(dim=1)
    if backend.name != 'reference':
        assert (error > 0).sum() > 4  # something was left out
    # the cost's gradient by x2d is at most w * delta per coordinate
    largest = (objects.w2d * 3.0).flatten(1).norm(dim=1)
    assert (error <= 1e-2 * upstream.abs().sum(1) * largest + 1e-15).all()
    assert (gradients[1][3] == 0).all()


@pytest.mark.parametrize(
    ('dtype', 'points', 'num_poses'),
    [(torch.float64, 3, 16), (torch.float32, 7, 40), (torch.float32, 63, 64)],
)
def test_pruning_does_not_depend_on_neighbours(random_objects, backend, dtype, points, num_poses):
    """To the last bit, wherever an object comes to lie among those that keep as many poses."""
    objects = random_objects(60, points=points, dtype=dtype)
    poses = scattered_poses(objects, Pose4DoF, num_poses)
    generator = torch.Generator().manual_seed(4)
    upstream = (6 * torch.randn(60, num_poses, generator=generator, dtype=dtype)).softmax(1)

    def gradients(upstream):
        inputs = leaves(objects)
        problem = inputs.problem(torch.full((60,), 3.0, dtype=dtype))
        sample_costs(backend, Pose4DoF, problem, poses, tolerance=1e-2).backward(upstream)
        return [tensor.grad for tensor in inputs[:3]]

    same = torch.rand(60, generator=generator) < 0.5
    other = upstream.where(same[:, None], upstream.new_tensor(1 / num_poses))
    for one, two in zip(gradients(upstream), gradients(other)):
        assert torch.equal(one[same], two[same])
        assert not torch.equal(one, two)

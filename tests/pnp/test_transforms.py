"""Function transforms take the reference by themselves, in numbers."""

import pytest
import torch

from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, LMSolver

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
VERSION = tuple(int(part) for part in torch.__version__.split('.')[:2])
needs_transforms = pytest.mark.skipif(VERSION < (2, 1), reason='needs torch.func of torch 2.1')


def solve_plus(pnp, objects):
    """``pose_plus`` as a function of the image points."""

    def run(x2d):
        found = pnp(
            objects.x3d, x2d, objects.w2d, objects.camera, objects.pose, with_pose_plus=True
        )
        return found.pose_plus

    return run


def rows_one_by_one(function, x2d):
    return torch.autograd.functional.jacobian(function, x2d)


@needs_transforms
@pytest.mark.parametrize('dof', [4, 6])
def test_jacrev(random_objects, dof):
    objects = random_objects(2, points=8, dof=dof)
    run = solve_plus(LAYERS[dof](solver=LMSolver(num_iter=2)), objects)
    jacobian = torch.func.jacrev(run)(objects.x2d)
    torch.testing.assert_close(jacobian, rows_one_by_one(run, objects.x2d))


@needs_transforms
def test_vectorised_jacobian(random_objects):
    objects = random_objects(2, points=8)
    run = solve_plus(EProPnP4DoF(solver=LMSolver(num_iter=2)), objects)
    jacobian = torch.autograd.functional.jacobian(run, objects.x2d, vectorize=True)
    torch.testing.assert_close(jacobian, rows_one_by_one(run, objects.x2d))


@needs_transforms
def test_vectorised_jacobian_of_the_costs(random_objects):
    objects = random_objects(2, points=8)
    pnp = EProPnP4DoF(mc_samples=4, num_iter=1)

    def run(x2d):
        generator = torch.Generator().manual_seed(0)
        found = pnp.monte_carlo_forward(
            objects.x3d, x2d, objects.w2d, objects.camera, objects.pose, generator=generator
        )
        return torch.cat((found.cost_target[None], found.log_weights))

    jacobian = torch.autograd.functional.jacobian(run, objects.x2d, vectorize=True)
    torch.testing.assert_close(jacobian, rows_one_by_one(run, objects.x2d), rtol=1e-4, atol=1e-4)


@needs_transforms
@pytest.mark.parametrize('dof', [4, 6])
def test_vmap_over_objects(random_objects, dof):
    objects = random_objects(3, points=8, dof=dof)
    pnp = LAYERS[dof](solver=LMSolver(num_iter=3))
    camera = objects.camera[0]

    def run(x3d, x2d, w2d, pose):
        return pnp(x3d, x2d, w2d, camera, pose).pose

    batched = torch.func.vmap(run)(*objects[:3], objects.pose)
    expected = pnp(*objects[:3], objects.camera, objects.pose).pose
    torch.testing.assert_close(batched, expected)

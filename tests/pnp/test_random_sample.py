import pytest
import torch

from epropnp_det.pnp import AdaptiveHuberCost, LMSolver, Pose4DoF, Pose6DoF, RSLMSolver
from epropnp_det.pnp.reference.costs import pose_costs
from epropnp_det.pnp.reference.search import initial_position

pytestmark = pytest.mark.usefixtures('backend')


def seeded():
    return torch.Generator().manual_seed(0)


def test_subsets_of_a_problem_hold_the_points_of_the_indices(random_objects):
    objects = random_objects(2, points=6)
    problem = objects.problem(torch.tensor([1.0, 2.0], dtype=torch.float64))
    indices = torch.tensor([[[0, 2], [5, 4], [1, 1]], [[3, 3], [0, 1], [2, 5]]])
    picked = problem.subsets(indices)
    assert picked.x3d.shape == (6, 3, 2)
    assert torch.equal(picked.x3d[1].T, objects.x3d[0, [5, 4]])
    assert torch.equal(picked.w2d[5], problem.w2d[1, :, [2, 5]])
    assert picked.delta.tolist() == [1, 1, 1, 2, 2, 2]
    assert torch.equal(picked.camera[3], problem.camera[1])
    assert torch.equal(picked.upper[0], problem.upper[0])


@pytest.mark.parametrize('dof', [4, 6])
def test_initial_position_is_near_for_centred_objects(random_objects, dof):
    objects = random_objects(60, points=200, dof=dof, noise=0.0)
    problem = objects.problem(torch.ones(60, dtype=torch.float64))
    pose_type = Pose4DoF if dof == 4 else Pose6DoF
    position = initial_position(pose_type, problem)
    relative = (position - objects.pose[:, :3]).norm(dim=1) / objects.pose[:, 2]
    assert relative.median() < (0.1 if dof == 4 else 0.35)


def test_weighted_position_ignores_background(random_objects):
    objects = random_objects(20, points=100, noise=0.0)
    x2d, w2d = objects.x2d.clone(), objects.w2d.clone()
    x2d[:, 80:] += 500
    w2d[:, 80:] = 0
    clean = objects.problem(torch.ones(20, dtype=torch.float64))
    dirty = objects._replace(x2d=x2d, w2d=w2d).problem(clean.delta)
    reference = initial_position(Pose4DoF, clean, weighted=False)

    def error(weighted):
        return (initial_position(Pose4DoF, dirty, weighted) - reference).norm(dim=1).median()

    assert error(True) < 0.2 * error(False)


def test_objects_without_height_get_a_positive_depth(random_objects):
    objects = random_objects(5)
    flat = objects.x3d * torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    x2d = objects.camera.project(flat, objects.pose)
    problem = objects._replace(x3d=flat, x2d=x2d).problem(torch.ones(5, dtype=torch.float64))
    assert (initial_position(Pose4DoF, problem)[:, 2] > 1).all()


@pytest.mark.parametrize('fast_mode', [False, True])
@pytest.mark.parametrize('dof', [4, 6])
def test_finds_poses_from_scratch(random_objects, dof, fast_mode):
    objects = random_objects(60, points=64, dof=dof)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    pose_type = Pose4DoF if dof == 4 else Pose6DoF
    found = RSLMSolver().solve(pose_type, problem, LMSolver(), fast_mode, seeded())
    expected = pose_costs(pose_type, problem, found.pose[:, None])[:, 0]
    torch.testing.assert_close(found.cost, expected)
    refined = LMSolver().solve(pose_type, problem, found.pose)
    error = (refined.pose[:, :3] - objects.pose[:, :3]).norm(dim=1) / objects.pose[:, 2]
    assert (error < 0.05).double().mean() > 0.9


def test_poses_behind_the_camera_lose(random_objects):
    objects = random_objects(40, points=16, noise=60.0)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    found = RSLMSolver(num_points=4).solve(Pose4DoF, problem, LMSolver(), False, seeded())
    assert (found.pose[:, 2] > problem.z_min).all()


def test_clamps_the_subset_to_the_points(random_objects):
    objects = random_objects(3, points=5)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    found = RSLMSolver(num_points=16).solve(Pose4DoF, problem, LMSolver(), False, seeded())
    assert torch.isfinite(found.cost).all()


def test_refuses_empty_subsets():
    with pytest.raises(ValueError, match='num_points'):
        RSLMSolver(num_points=0)

import pytest
import torch

from epropnp_det.pnp import AdaptiveHuberCost, LMSolver, Pose4DoF, Pose6DoF
from epropnp_det.pnp.reference.costs import pose_costs
from epropnp_det.pnp.reference.linearization import linearize

pytestmark = pytest.mark.usefixtures('backend')


@pytest.fixture
def problem(setup_a):
    return setup_a.problem(AdaptiveHuberCost(0.5)(setup_a.x2d, setup_a.w2d))


@pytest.fixture
def start():
    return torch.tensor([[2.5, 1.3, 24.0, 0.2]], dtype=torch.float64)


@pytest.mark.parametrize(
    ('num_iter', 'pose', 'cost', 'variance'),
    [
        (
            1,
            [2.146591, 0.960628, 20.549334, 0.603833],
            129.742796,
            [0.001382, 0.000379, 0.063656, 0.000435],
        ),
        (3, [2.051164, 0.933775, 19.766036, 0.517076], 101.946611, None),
        (
            10,
            [2.051167, 0.933688, 19.766215, 0.516191],
            101.945409,
            [0.001163, 0.000332, 0.049650, 0.000448],
        ),
    ],
)
def test_anchors_of_the_trust_region(problem, start, num_iter, pose, cost, variance):
    solver = LMSolver(num_iter=num_iter)
    solution = solver.solve(Pose4DoF, problem, start)
    assert solution.pose[0].tolist() == pytest.approx(pose, abs=1e-6)
    assert solution.cost.item() == pytest.approx(cost, abs=1e-6)
    if variance:
        covariance = solver.covariance(solution.linearization)
        assert covariance[0].diagonal().tolist() == pytest.approx(variance, abs=6e-7)


@pytest.mark.parametrize(
    ('num_iter', 'pose'),
    [
        (1, [2.060869, 0.913077, 19.885497, 0.628581]),
        (3, [2.050561, 0.933500, 19.761465, 0.517094]),
    ],
)
def test_anchors_of_gauss_newton(problem, start, num_iter, pose):
    solution = LMSolver(num_iter=num_iter).solve(Pose4DoF, problem, start, fast_mode=True)
    assert solution.pose[0].tolist() == pytest.approx(pose, abs=1e-6)


def test_anchor_of_6dof(problem, start, to_quaternion):
    start = torch.cat((start[:, :3], to_quaternion(start[:, 3])), 1)
    solution = LMSolver(num_iter=10).solve(Pose6DoF, problem, start)
    pose = [2.036917, 0.929131, 19.646374, 0.963981, 0.036169, 0.262448, -0.023549]
    assert solution.pose[0].tolist() == pytest.approx(pose, abs=1e-6)
    assert solution.cost.item() == pytest.approx(81.578664, abs=1e-6)


def test_anchor_of_the_gauss_newton_step(problem, setup_a):
    step = LMSolver().gauss_newton_step(linearize(Pose4DoF, problem, setup_a.pose))
    expected = [0.051353, -0.067177, -0.239427, 0.016968]
    assert step[0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('fast_mode', [False, True])
@pytest.mark.parametrize('num_iter', [0, 1, 4])
def test_cost_and_system_belong_to_the_returned_pose(random_objects, fast_mode, num_iter):
    objects = random_objects(50, points=12, noise=8.0)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    start = objects.pose + torch.tensor([1.0, 0.3, 4.0, 0.7], dtype=torch.float64)
    solution = LMSolver(num_iter=num_iter).solve(Pose4DoF, problem, start, fast_mode)
    system = linearize(Pose4DoF, problem, solution.pose, clip_jac=not fast_mode)
    for one, other in zip(solution.linearization, system):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('fast_mode', [False, True])
def test_never_worse_than_the_start(random_objects, fast_mode):
    objects = random_objects(300, points=12, noise=40.0)
    problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
    generator = torch.Generator().manual_seed(0)
    offset = torch.randn(300, 4, generator=generator, dtype=torch.float64)
    start = objects.pose + offset * torch.tensor([2.0, 1.0, 6.0, 1.5])
    before = pose_costs(Pose4DoF, problem, start[:, None])[:, 0]
    solution = LMSolver(num_iter=5).solve(Pose4DoF, problem, start, fast_mode)
    assert (solution.cost <= before * (1 + 1e-12)).all()  # the sums are in another order


def test_recovers_noise_free_poses(random_objects):
    for dof, pose_type in ((4, Pose4DoF), (6, Pose6DoF)):
        objects = random_objects(40, dof=dof, noise=0.0)
        problem = objects.problem(AdaptiveHuberCost()(objects.x2d, objects.w2d))
        step = torch.tensor([0.3, 0.1, 1.0, 0.1, 0.1, 0.1], dtype=torch.float64)[:dof].expand(
            40, dof
        )
        start = pose_type.retract(objects.pose, step)
        solution = LMSolver(num_iter=20).solve(pose_type, problem, start)
        torch.testing.assert_close(solution.pose, objects.pose, atol=1e-4, rtol=0)
        assert solution.cost.max() < 1e-8


def test_refuses_negative_iterations():
    with pytest.raises(ValueError, match='num_iter'):
        LMSolver(num_iter=-1)


def test_without_eps(problem, start):
    """Nothing added to the diagonals, and no smallest radius."""
    found = LMSolver(eps=0.0).solve(Pose4DoF, problem, start)
    usual = LMSolver().solve(Pose4DoF, problem, start)
    torch.testing.assert_close(found.pose, usual.pose, rtol=1e-4, atol=1e-4)

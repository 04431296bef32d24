import pytest
import torch

from epropnp_det.pnp import AdaptiveHuberCost, LMSolver, PerspectiveCamera, Pose4DoF, Pose6DoF
from epropnp_det.pnp.problem import make_problem
from epropnp_det.pnp.reference.costs import differentiable_costs, pose_costs
from epropnp_det.pnp.reference.linearization import linearize


def tilted(objects, pose_type):
    """True poses, turned about all axes in 6DoF."""
    if pose_type is Pose4DoF:
        return objects.pose
    step = torch.tensor([0.0, 0.0, 0.0, 0.2, -0.1, 0.15], dtype=objects.pose.dtype)
    return Pose6DoF.retract(objects.pose, step.expand(len(objects.pose), 6))


def with_camera(objects, cam2img):
    camera = objects.camera
    return objects._replace(
        camera=PerspectiveCamera(cam2img, camera.z_min, camera.lower, camera.upper)
    )


def numeric_jacobian(objects, pose_type, pose, eps=1e-5):
    """Central differences of the weighted projections, (B, 2N, dof)."""
    columns = []
    for column in range(pose_type.dof):
        step = torch.zeros(len(pose), pose_type.dof, dtype=torch.float64)
        step[:, column] = eps
        there, back = (
            objects.camera.project(objects.x3d, pose_type.retract(pose, sign * step))
            for sign in (1, -1)
        )
        columns.append(((there - back) / (2 * eps) * objects.w2d).flatten(1))
    return torch.stack(columns, -1)


@pytest.mark.parametrize('skewed', [False, True])
@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_system_matches_finite_differences(random_objects, pose_type, skewed):
    objects = random_objects(4, dof=pose_type.dof)
    if skewed:
        cam2img = objects.camera.cam2img.clone()
        cam2img[:, 0, 1], cam2img[:, 1, 0] = 30.0, -12.0
        objects = with_camera(objects, cam2img)
    problem = objects.problem(torch.full((4,), 1e6, dtype=torch.float64))  # no rescaling
    pose = tilted(objects, pose_type)
    jacobian = numeric_jacobian(objects, pose_type, pose)
    residual = (objects.camera.project(objects.x3d, pose) - objects.x2d) * objects.w2d
    system = linearize(pose_type, problem, pose)
    hessian = jacobian.mT @ jacobian
    torch.testing.assert_close(system.hessian, hessian, rtol=1e-6, atol=1e-3)
    gradient = (jacobian.mT @ residual.flatten(1)[..., None])[..., 0]
    torch.testing.assert_close(system.gradient, gradient, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_gradient_is_that_of_the_cost(random_objects, pose_type):
    """J^T r with the robust rescaling is the exact gradient of the Huber cost."""
    objects = random_objects(4, dof=pose_type.dof, noise=20.0)
    problem = objects.problem(AdaptiveHuberCost(0.1)(objects.x2d, objects.w2d))
    pose = tilted(objects, pose_type)
    step = torch.zeros(4, pose_type.dof, dtype=torch.float64, requires_grad=True)
    moved = pose_type.retract(pose, step)[:, None]
    cost = differentiable_costs(pose_type, problem, moved)[:, 0]
    (gradient,) = torch.autograd.grad(cost.sum(), step)
    system = linearize(pose_type, problem, pose)
    torch.testing.assert_close(system.gradient, gradient)
    torch.testing.assert_close(system.cost, cost.detach())


def one_point(objects, point, axis):
    """The object with one weighted coordinate."""
    w2d = torch.zeros_like(objects.w2d)
    w2d[:, point, axis] = 1.0
    return objects._replace(w2d=w2d)


def test_clipped_points_have_no_jacobian(random_objects):
    objects = random_objects(1, points=4)
    x3d = objects.x3d.clone()
    x3d[0, 0] = torch.tensor([0.0, 500.0, 0.0])  # below the lower border: v is clamped, u is not
    x3d[0, 1] = torch.tensor([0.0, 0.0, 100.0])  # behind the camera at this yaw
    pose = torch.tensor([[1.0, 1.0, 20.0, 3.14159]], dtype=torch.float64)
    objects = objects._replace(x3d=x3d, pose=pose)

    def hessian(point, axis, clip_jac):
        part = one_point(objects, point, axis)
        problem = part.problem(torch.full((1,), 1e9, dtype=torch.float64))
        return linearize(Pose4DoF, problem, pose, clip_jac).hessian

    assert (hessian(0, 1, True) == 0).all()
    assert (hessian(0, 0, True) != 0).any()
    for axis in (0, 1):
        assert (hessian(1, axis, True) == 0).all()
        assert (hessian(1, axis, False) != 0).any()


def test_zero_weights_equal_the_kept_subset(random_objects):
    objects = random_objects(3, points=20)
    w2d = objects.w2d.clone()
    w2d[:, 12:] = 0
    delta = torch.full((3,), 3.0, dtype=torch.float64)
    masked = objects._replace(w2d=w2d).problem(delta)
    kept = objects._replace(
        x3d=objects.x3d[:, :12], x2d=objects.x2d[:, :12], w2d=objects.w2d[:, :12]
    )
    subset = kept.problem(delta)
    for one, other in zip(
        linearize(Pose4DoF, masked, objects.pose), linearize(Pose4DoF, subset, objects.pose)
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_skewed_neighbour_does_not_change_a_bit(random_objects, pose_type, backend):
    objects = random_objects(3, dof=pose_type.dof, dtype=torch.float32)
    delta = AdaptiveHuberCost()(objects.x2d, objects.w2d)
    alone = objects.problem(delta)
    objects.camera.cam2img[2, 0, 1] = 40.0
    beside = objects.problem(delta)
    pose = tilted(objects, pose_type)
    found = [LMSolver(num_iter=3).solve(pose_type, problem, pose) for problem in (alone, beside)]
    assert torch.equal(found[0].pose[:2], found[1].pose[:2])
    assert not torch.equal(found[0].pose[2], found[1].pose[2])
    costs = [
        backend.pose_costs(pose_type, problem, pose[:, None])[:, 0] for problem in (alone, beside)
    ]
    assert torch.equal(costs[0][:2], costs[1][:2])
    assert not torch.equal(costs[0][2], costs[1][2])


def test_rotated_and_mirrored_image_axes(random_objects):
    """A camera that lies on its side: image x runs along camera y, image y against x."""
    objects = random_objects(4)
    cam2img = objects.camera.cam2img.clone()
    cam2img[:, :2, :2] = torch.tensor([[0.0, 1250.0], [-1260.0, 0.0]], dtype=torch.float64)
    objects = with_camera(objects, cam2img)
    objects = objects._replace(camera=PerspectiveCamera(cam2img))
    x2d = objects.camera.project(objects.x3d, objects.pose)
    bounds = torch.tensor([-1e9, -1e9, 1e9, 1e9], dtype=torch.float64).expand(4, 4)
    points = torch.cat((objects.x3d, x2d, objects.w2d), -1).transpose(1, 2)
    problem = make_problem(points, torch.ones(4).double(), cam2img, bounds, 0.1)
    assert (pose_costs(Pose4DoF, problem, objects.pose[:, None]) < 1e-12).all()
    system = linearize(Pose4DoF, problem, objects.pose)
    numeric = numeric_jacobian(objects, Pose4DoF, objects.pose)
    torch.testing.assert_close(system.hessian, numeric.mT @ numeric, rtol=1e-6, atol=1e-3)

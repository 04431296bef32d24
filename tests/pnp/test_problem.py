import pytest
import torch

from epropnp_det.pnp import AdaptiveHuberCost, PerspectiveCamera, Pose4DoF, Pose6DoF
from epropnp_det.pnp.problem import linearize, pose_cost, residual_rows


def tilted(objects, pose_type):
    """True poses, turned about all axes in 6DoF."""
    if pose_type is Pose4DoF:
        return objects.pose
    step = torch.tensor([0.0, 0.0, 0.0, 0.2, -0.1, 0.15], dtype=objects.pose.dtype)
    return Pose6DoF.retract(objects.pose, step.expand(len(objects.pose), 6))


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_jacobian_matches_finite_differences(random_objects, pose_type):
    objects = random_objects(4, dof=pose_type.dof)
    skewed = objects.camera.cam2img.clone()
    skewed[:, 0, 1] = 30.0
    camera = PerspectiveCamera(skewed, 0.1, objects.camera.lower, objects.camera.upper)
    objects = objects._replace(camera=camera)
    problem = objects.problem(torch.full((4,), 1e6, dtype=torch.float64))  # no rescaling
    pose = tilted(objects, pose_type)
    rows, _ = residual_rows(pose_type, problem, pose, clip_jac=True)
    for column in range(pose_type.dof):
        step = torch.zeros(4, pose_type.dof, dtype=torch.float64)
        step[:, column] = 1e-5

        def residual(sign, step=step):
            moved = pose_type.retract(pose, sign * step)
            return residual_rows(pose_type, problem, moved, clip_jac=True)[0][:, -1]

        numeric = (residual(1) - residual(-1)) / 2e-5
        torch.testing.assert_close(rows[:, column], numeric, atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_gradient_is_that_of_the_cost(random_objects, pose_type):
    """J^T r with the robust rescaling is the exact gradient of the Huber cost."""
    objects = random_objects(4, dof=pose_type.dof, noise=20.0)
    problem = objects.problem(AdaptiveHuberCost(0.1)(objects.x2d, objects.w2d))
    pose = tilted(objects, pose_type)
    step = torch.zeros(4, pose_type.dof, dtype=torch.float64, requires_grad=True)
    cost = pose_cost(pose_type, problem, pose_type.retract(pose, step))
    (gradient,) = torch.autograd.grad(cost.sum(), step)
    torch.testing.assert_close(linearize(pose_type, problem, pose).gradient, gradient)


def test_clipped_points_have_no_jacobian(random_objects):
    objects = random_objects(1, points=4)
    x3d = objects.x3d.clone()
    x3d[0, 0] = torch.tensor([0.0, 500.0, 0.0])  # below the lower border: v is clamped, u is not
    x3d[0, 1] = torch.tensor([0.0, 0.0, 100.0])  # behind the camera for some yaw
    objects = objects._replace(
        x3d=x3d, pose=torch.tensor([[1.0, 1.0, 20.0, 3.14159]], dtype=torch.float64)
    )
    problem = objects.problem(torch.tensor([1e6], dtype=torch.float64))
    rows, _ = residual_rows(Pose4DoF, problem, objects.pose, clip_jac=True)
    columns = rows[0, :4].view(4, 2, 4)  # (dof, axis, point)
    assert (columns[:, 1, 0] == 0).all()
    assert (columns[0, 0, 0] != 0).all()
    assert (columns[:, :, 1] == 0).all()
    unclipped, _ = residual_rows(Pose4DoF, problem, objects.pose, clip_jac=False)
    assert (unclipped[0, 0].view(2, 4)[:, 1] != 0).any()


def test_zero_weights_equal_the_kept_subset(random_objects):
    objects = random_objects(3, points=20)
    w2d = objects.w2d.clone()
    w2d[:, 12:] = 0
    delta = torch.full((3,), 3.0, dtype=torch.float64)
    masked = linearize(Pose4DoF, objects._replace(w2d=w2d).problem(delta), objects.pose)
    kept = objects._replace(
        x3d=objects.x3d[:, :12], x2d=objects.x2d[:, :12], w2d=objects.w2d[:, :12]
    )
    subset = linearize(Pose4DoF, kept.problem(delta), objects.pose)
    for one, other in zip(masked, subset):
        torch.testing.assert_close(one, other)

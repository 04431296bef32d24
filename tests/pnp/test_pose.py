import math

import pytest
import torch

from epropnp_det.pnp import Pose4DoF, Pose6DoF
from epropnp_det.pnp.pose import normalize_quaternion, parametrization_of, wrap_angle


def random_turns(pose_type, num, generator):
    """Poses at the origin, float64."""
    position = torch.zeros(num, 3, dtype=torch.float64)
    noise = pose_type.rotation_noise((num,), position, generator)
    return torch.cat((position, pose_type.rotation_of_noise(noise)), 1)


def test_yaw_rotation_convention():
    pose = torch.tensor([0.0, 0.0, 0.0, 0.3], dtype=torch.float64)
    c, s = math.cos(0.3), math.sin(0.3)
    expected = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)
    torch.testing.assert_close(Pose4DoF.rotation(pose), expected)


def test_quaternion_of_yaw_gives_the_same_rotation(to_quaternion):
    yaw = torch.linspace(-3, 3, 7, dtype=torch.float64)
    zero = torch.zeros(7, 3, dtype=torch.float64)
    torch.testing.assert_close(
        Pose4DoF.rotation(torch.cat((zero, yaw[:, None]), 1)),
        Pose6DoF.rotation(torch.cat((zero, to_quaternion(yaw)), 1)),
    )


def test_random_rotations_are_orthonormal():
    generator = torch.Generator().manual_seed(0)
    rotation = Pose6DoF.rotation(random_turns(Pose6DoF, 50, generator))
    identity = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), identity)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(50, dtype=torch.float64))
    yaw = Pose4DoF.rotation_of_noise(Pose4DoF.rotation_noise((4000, 2), rotation, generator))
    assert yaw.shape == (4000, 2, 1)
    assert yaw.abs().max() <= math.pi
    assert yaw.mean().abs() < 0.1
    assert yaw.var().item() == pytest.approx(math.pi**2 / 3, rel=0.05)


def test_quaternion_update_anchor(to_quaternion):
    yaw = torch.tensor([0.5], dtype=torch.float64)
    pose = torch.cat((torch.tensor([[2.0, 1.0, 20.0]], dtype=torch.float64), to_quaternion(yaw)), 1)
    step = torch.tensor([[0.0, 0.0, 0.0, 0.1, 0.2, -0.05]], dtype=torch.float64)
    expected = torch.tensor([[0.992669, -0.106502, 0.052267, 0.023106]], dtype=torch.float64)
    moved = Pose6DoF.retract(pose, step)[:, 3:]
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)


def test_tangent_map_is_minus_the_hamilton_product():
    generator = torch.Generator().manual_seed(0)
    q = normalize_quaternion(torch.randn(4, generator=generator, dtype=torch.float64))
    d = torch.randn(3, generator=generator, dtype=torch.float64)
    w, v = q[0], q[1:]
    product = torch.cat(((-(d @ v))[None], w * d + torch.linalg.cross(d, v)))
    tangent = Pose6DoF.tangent_map(q)
    torch.testing.assert_close(tangent @ d, -product)
    torch.testing.assert_close(tangent.T @ tangent, torch.eye(3, dtype=torch.float64))


def test_wrapping_keeps_direction_and_gradient():
    angle = torch.linspace(-20, 20, 101, dtype=torch.float64, requires_grad=True)
    wrapped = wrap_angle(angle)
    assert wrapped.abs().max() <= math.pi
    torch.testing.assert_close(wrapped.cos(), angle.cos())
    torch.testing.assert_close(wrapped.sin(), angle.sin())
    (slope,) = torch.autograd.grad(wrapped.sum(), angle)
    assert (slope == 1).all()


def test_zero_quaternion_becomes_the_identity():
    quaternion = torch.zeros(4, requires_grad=True)
    unit = normalize_quaternion(quaternion)
    assert unit.tolist() == [1, 0, 0, 0]
    unit.sum().backward()
    assert torch.isfinite(quaternion.grad).all()


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_offset_jacobian_matches_finite_differences(pose_type):
    generator = torch.Generator().manual_seed(1)
    pose = random_turns(pose_type, 3, generator)
    offset = torch.randn(3, 3, 1, generator=generator, dtype=torch.float64)
    analytic = pose_type.offset_jacobian(pose, offset[..., 0])
    for column in range(pose_type.dof - 3):
        step = torch.zeros(3, pose_type.dof, dtype=torch.float64)
        step[:, 3 + column] = 1e-6
        forward = pose_type.rotation(pose_type.retract(pose, step)) @ offset
        backward = pose_type.rotation(pose_type.retract(pose, -step)) @ offset
        numeric = (forward - backward)[..., 0] / 2e-6
        torch.testing.assert_close(analytic[..., column], numeric, atol=1e-8, rtol=1e-7)


def test_length_names_the_parametrization():
    assert parametrization_of(torch.zeros(2, 4)) is Pose4DoF
    assert parametrization_of(torch.zeros(7)) is Pose6DoF
    with pytest.raises(ValueError, match='qw'):
        parametrization_of(torch.zeros(6))


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_motions_are_the_matrix_and_its_differences(pose_type):
    generator = torch.Generator().manual_seed(2)
    pose = random_turns(pose_type, 5, generator)
    pose[:, :3] = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    motions = pose_type.motions(pose, pose_type.motion_table(pose))
    assert torch.equal(motions[:, :, 0], pose_type.matrices(pose))
    for index in range(pose_type.dof):
        step = torch.zeros(5, pose_type.dof, dtype=torch.float64)
        step[:, index] = 1e-6
        there, back = (pose_type.matrices(pose_type.retract(pose, way * step)) for way in (1, -1))
        torch.testing.assert_close(
            motions[:, :, 1 + index], (there - back) / 2e-6, rtol=0, atol=1e-8
        )

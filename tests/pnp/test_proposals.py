import pytest
import torch

from epropnp_det.pnp import Pose4DoF, Pose6DoF
from epropnp_det.pnp.proposals import RoundNoise, draw_noise, initial_proposal, refit_proposal


def noise(pose_type, num, generator, dtype=torch.float64):
    """Of one object and one round."""
    drawn = draw_noise(pose_type, torch.zeros(0, dtype=dtype), (1, 1, num), generator)
    return RoundNoise(*(field[0] for field in drawn))


def test_first_4dof_proposal():
    covariance = torch.diag(torch.tensor([0.04, 0.01, 1.0, 0.02]))[None].double()
    proposal = initial_proposal(Pose4DoF, torch.zeros(1, 4, dtype=torch.float64), covariance)
    factor = proposal.position.scale_tril[0]
    assert factor.diagonal().tolist() == pytest.approx([0.2, 0.1, 1.0], abs=1e-6)
    assert proposal.orientation.concentration.item() == pytest.approx(16.5, abs=1e-5)


def test_4dof_refit_anchor():
    samples = torch.tensor(
        [
            [0, 0, 10, 0.1],
            [1, 0, 12, 0.3],
            [0, 1, 11, -0.2],
            [0.5, 0.5, 9, 0.5],
            [0.2, 0.1, 10.5, 0.2],
        ],
        dtype=torch.float64,
    )
    weights = torch.tensor([0, 0.5, -1, 1, 0.2], dtype=torch.float64).softmax(0)
    proposal = refit_proposal(Pose4DoF, samples[None], weights[None])
    position = proposal.position
    expected = [0.467511, 0.265826, 10.223933]
    assert position.loc[0].tolist() == pytest.approx(expected, abs=1e-6)
    covariance = (position.scale_tril @ position.scale_tril.mT)[0]
    upper = covariance[torch.triu_indices(3, 3).unbind()]
    expected = [0.123160, -0.023073, 0.191507, 0.081668, -0.193247, 1.385447]
    assert upper.tolist() == pytest.approx(expected, abs=1e-6)
    assert proposal.orientation.loc.item() == pytest.approx(0.306304, abs=1e-6)
    assert proposal.orientation.concentration.item() == pytest.approx(9.414369, abs=1e-5)


def test_first_6dof_proposal(to_quaternion):
    yaw = torch.tensor([0.5], dtype=torch.float64)
    pose = torch.cat((torch.zeros(1, 3, dtype=torch.float64), to_quaternion(yaw)), 1)
    variance = torch.tensor([1, 1, 1, 0.002, 0.003, 0.004], dtype=torch.float64)
    proposal = initial_proposal(Pose6DoF, pose, torch.diag(variance)[None])
    factor = proposal.orientation.scale_tril[0]
    scatter = factor @ factor.T
    expected = torch.zeros(4, 4, dtype=torch.float64)
    entries = {
        (0, 0): 0.930638,
        (0, 2): 0.236871,
        (1, 1): 0.002111,
        (1, 3): -0.000472,
        (2, 2): 0.063460,
        (3, 3): 0.003840,
    }
    for (row, column), value in entries.items():
        expected[row, column] = expected[column, row] = value
    torch.testing.assert_close(scatter, expected, atol=1e-6, rtol=0)


def test_6dof_refit_finds_the_scatter_of_its_samples():
    generator = torch.Generator().manual_seed(0)
    covariance = torch.eye(6, dtype=torch.float64)[None] * 0.05
    pose = torch.tensor([[1.0, 2.0, 9.0, 0.5, 0.5, 0.5, 0.5]], dtype=torch.float64)
    proposal = initial_proposal(Pose6DoF, pose, covariance)
    samples = proposal.transform(noise(Pose6DoF, 20000, generator))
    weights = torch.full((1, 20000), 1 / 20000, dtype=torch.float64)
    refitted = refit_proposal(Pose6DoF, samples, weights)

    def scatter(of):
        matrix = of.orientation.scale_tril @ of.orientation.scale_tril.mT
        return matrix / matrix.diagonal(dim1=1, dim2=2).sum()

    # three fixed-point steps from the identity come close; the mode is exact
    values, vectors = torch.linalg.eigh(scatter(refitted))
    assert (vectors[0, :, -1] @ pose[0, 3:]).abs().item() == pytest.approx(1.0, abs=1e-3)
    assert values[0, -1] > 0.8


@pytest.mark.parametrize('pose_type', [Pose4DoF, Pose6DoF])
def test_collapsed_weights_give_a_usable_proposal(pose_type):
    pose = pose_type.identity(torch.zeros(1))
    samples = pose.expand(1, 8, pose_type.dim).clone()
    weights = torch.zeros(1, 8)
    weights[0, 0] = 1
    proposal = refit_proposal(pose_type, samples, weights)
    drawn = proposal.transform(
        noise(pose_type, 16, torch.Generator().manual_seed(0), torch.float32)
    )
    assert torch.isfinite(drawn).all()
    assert torch.isfinite(proposal.log_prob(drawn)).all()
    diagonal = [1.0, 1.0, 4.0] if pose_type is Pose4DoF else [1.0, 1.0, 1.0]
    assert proposal.position.scale_tril[0].diagonal().tolist() == diagonal

import math

import pytest
import torch
from torch import distributions

from epropnp_det.pnp.distributions import (
    AngularCentralGaussian,
    StudentT,
    VonMisesUniform,
    num_candidates,
    von_mises,
)
from epropnp_det.pnp.pose import normalize_quaternion


def seeded():
    return torch.Generator().manual_seed(0)


def test_von_mises_uniform_anchors():
    mix = VonMisesUniform(torch.tensor([0.3]), torch.tensor([5.0]))
    value = torch.tensor([[[0.3], [0.3 + math.pi]]])
    assert mix.log_prob(value)[0].tolist() == pytest.approx([-0.370859, -3.223430], abs=2e-6)


def test_angular_central_gaussian_anchors():
    scatter = torch.diag(torch.tensor([0.7, 0.1, 0.1, 0.1]))
    acg = AngularCentralGaussian(torch.linalg.cholesky(scatter)[None])
    log_prob = acg.log_prob(torch.eye(4)[None, :2])
    assert log_prob[0].tolist() == pytest.approx([-0.063741, -3.955562], abs=2e-6)


def test_student_t_anchors():
    scale = torch.diag(torch.tensor([1.0, 1.0, 4.0]))[None]
    student = StudentT(torch.zeros(1, 3), scale)
    log_prob = student.log_prob(torch.tensor([[[0.0, 0.0, 0.0], [1.0, 1.0, 4.0]]]))
    assert log_prob[0].tolist() == pytest.approx([-3.937378, -6.016819], abs=2e-6)


def test_student_t_samples_follow_the_density():
    scale = torch.tensor([[[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-0.3, 0.2, 0.5]]]).double()
    loc = torch.tensor([[1.0, -2.0, 3.0]]).double()
    student = StudentT(loc, scale)
    samples = student.sample(40000, seeded())
    white = torch.linalg.solve_triangular(scale, (samples - loc[:, None]).mT, upper=False)
    # the squared norm over three is F(3, 3) distributed, whose median is one
    assert (white.square().sum(1) / 3 < 1).double().mean().item() == pytest.approx(0.5, abs=0.01)
    median = samples[0].median(0).values
    torch.testing.assert_close(median, loc[0], atol=0.05, rtol=0)
    # E_q[p / q] = 1 with p the same density and q a wider one
    wide = StudentT(loc, 1.5 * scale)
    draws = wide.sample(40000, seeded())
    ratio = (student.log_prob(draws) - wide.log_prob(draws)).exp().mean()
    assert ratio.item() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('kappa', [1e-7, 0.3, 5.0, 400.0, 33000.0])
def test_von_mises_sampler_matches_the_distribution(kappa, dtype):
    """Kolmogorov-Smirnov distance to the numerically integrated distribution function."""
    shape = (1, 2, num_candidates(20000))
    candidates = torch.rand(shape, generator=seeded(), dtype=dtype)
    draws = von_mises(torch.tensor([kappa], dtype=dtype), candidates, 20000)[0].double()
    assert draws.abs().max() <= math.pi + 1e-6
    half_width = min(math.pi, 12 / math.sqrt(kappa))
    grid = torch.linspace(-half_width, half_width, 20001, dtype=torch.float64)
    density = torch.exp(kappa * (torch.cos(grid) - 1))
    cumulative = torch.cumsum(density, 0) / density.sum()
    ordered = draws.sort().values
    inside = ordered.clamp(-half_width, half_width)
    index = torch.searchsorted(grid, inside).clamp(max=20000)
    empirical = torch.arange(1, 20001, dtype=torch.float64) / 20000
    assert (cumulative[index] - empirical).abs().max() < 1.63 / math.sqrt(20000)  # 1 % level


@pytest.mark.parametrize('kappa', [0.01, 3.0, 80.0])
def test_von_mises_uniform_density_integrates_to_one(kappa):
    mix = VonMisesUniform(torch.tensor([2.5]).double(), torch.tensor([kappa]).double())
    grid = torch.arange(-math.pi, math.pi, 1e-3, dtype=torch.float64)
    total = mix.log_prob(grid[None, :, None]).exp().sum() * 1e-3
    assert total.item() == pytest.approx(1.0, abs=1e-3)


def test_von_mises_log_density_agrees_with_torch():
    concentration = torch.tensor([0.5, 7.0, 300.0]).double()
    loc = torch.tensor([0.1, -2.0, 3.0]).double()
    value = torch.randn(3, 6, dtype=torch.float64, generator=seeded())
    mix = VonMisesUniform(loc, concentration, uniform_mix=1e-12)
    reference = distributions.VonMises(loc[:, None], concentration[:, None]).log_prob(value)
    far = reference < -20  # there the uniform share shows
    ours = mix.log_prob(value[..., None])
    torch.testing.assert_close(ours[~far], reference[~far], atol=1e-3, rtol=1e-6)


def test_a_quarter_is_uniform():
    mix = VonMisesUniform(torch.tensor([0.0]), torch.tensor([30000.0]))
    draws = mix.sample(128, seeded())[0, :, 0]
    assert (draws.abs() > 0.1).sum() <= 32
    assert (draws.abs() > 0.1).sum() > 25


def test_acg_samples_follow_the_density():
    generator = seeded()
    root = torch.randn(2, 4, 4, dtype=torch.float64, generator=generator)
    scatter = root @ root.mT + 0.1 * torch.eye(4, dtype=torch.float64)
    acg = AngularCentralGaussian(torch.linalg.cholesky(scatter))
    samples = acg.sample(50000, generator)
    torch.testing.assert_close(samples.norm(dim=-1), torch.ones(2, 50000, dtype=torch.float64))
    # importance weights against the uniform density 1 / (2 pi^2) average to one
    inverse = (-acg.log_prob(samples) - math.log(2 * math.pi**2)).exp().mean(1)
    torch.testing.assert_close(inverse, torch.ones(2, dtype=torch.float64), atol=0.05, rtol=0)
    uniform = normalize_quaternion(torch.randn(2, 50000, 4, dtype=torch.float64))
    total = acg.log_prob(uniform).exp().mean(1) * 2 * math.pi**2
    torch.testing.assert_close(total, torch.ones(2, dtype=torch.float64), atol=0.1, rtol=0)


def test_no_objects():
    assert StudentT(torch.zeros(0, 3), torch.zeros(0, 3, 3)).sample(5).shape == (0, 5, 3)
    assert VonMisesUniform(torch.zeros(0), torch.zeros(0)).sample(5).shape == (0, 5, 1)
    assert AngularCentralGaussian(torch.zeros(0, 4, 4)).sample(5).shape == (0, 5, 4)


def test_seeds_decide():
    mix = VonMisesUniform(torch.tensor([0.3]), torch.tensor([5.0]))
    assert torch.equal(mix.sample(16, seeded()), mix.sample(16, seeded()))

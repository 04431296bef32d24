import pytest
import torch

from epropnp_det.pnp.reference.linear_algebra import (
    cholesky_or,
    eliminate,
    inverse_spd,
    solve_spd,
)


def spd(num, dim, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(num, dim, dim + 2, generator=generator, dtype=dtype)
    return root @ root.transpose(1, 2)


@pytest.mark.parametrize('dim', [3, 4, 6])
def test_solves_like_the_library(dim):
    matrix = spd(7, dim)
    rhs = torch.randn(7, dim, 2, dtype=torch.float64)
    torch.testing.assert_close(solve_spd(matrix, rhs), torch.linalg.solve(matrix, rhs))
    torch.testing.assert_close(eliminate(matrix, rhs), torch.linalg.solve(matrix, rhs))
    torch.testing.assert_close(inverse_spd(matrix), torch.linalg.inv(matrix))


def test_is_differentiable():
    root = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    rhs = torch.randn(2, 3, 1, dtype=torch.float64, requires_grad=True)
    eye = torch.eye(3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda a, b: solve_spd(a @ a.transpose(1, 2) + eye, b), (root, rhs)
    )


def test_badly_scaled_systems_stay_accurate_in_float32():
    scale = torch.tensor([1e4, 1.0, 1e-3, 1e2])
    matrix = spd(20, 4, torch.float32) * scale[:, None] * scale
    rhs = (matrix @ torch.ones(20, 4, 1)) / 1
    exact = torch.linalg.solve(matrix.double(), rhs.double())
    error = (eliminate(matrix, rhs).double() - exact) / exact.abs()
    library = (torch.linalg.solve(matrix, rhs).double() - exact) / exact.abs()
    assert error.abs().median() <= 3 * library.abs().median() + 1e-6


def test_a_singular_matrix_spoils_only_itself():
    matrix = spd(3, 4)
    ones = torch.ones(3, 4, 1, dtype=torch.float64)
    for solve in (solve_spd, eliminate):
        alone = solve(matrix[2:], ones[2:])
        spoiled = matrix.clone()
        spoiled[1] = 0
        spoiled[0, 0, 0] = float('nan')
        solution = solve(spoiled, ones)
        assert not torch.isfinite(solution[0]).any()
        assert torch.equal(solution[2:], alone)


def test_cholesky_falls_back_per_matrix():
    matrix = spd(4, 3)
    matrix[1] = -torch.eye(3)
    matrix[2] = float('nan')
    fallback = torch.diag(torch.tensor([1.0, 1.0, 4.0], dtype=torch.float64))
    factor = cholesky_or(matrix, fallback)
    torch.testing.assert_close(factor[0] @ factor[0].T, matrix[0])
    assert torch.equal(factor[1], fallback)
    assert torch.equal(factor[2], fallback)


def test_zero_matrices():
    empty = torch.zeros(0, 4, 4)
    assert inverse_spd(empty).shape == (0, 4, 4)
    assert cholesky_or(empty, torch.eye(4)).shape == (0, 4, 4)

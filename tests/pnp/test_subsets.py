from itertools import permutations

import pytest
import torch

from epropnp_det.pnp.backend import choose
from epropnp_det.pnp.random_sample import draw_subset_noise

pytestmark = pytest.mark.usefixtures('backend')


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sample_subsets(w2d, num_subsets, size, generator):
    """As the search does, with the backend that the switch names."""
    noise = draw_subset_noise(w2d, num_subsets, size, generator)
    return choose(w2d).draw_subsets(w2d, noise, size)


def exact_distribution(weight, size):
    """Probability of every subset when points are drawn one after the other."""
    shares = {}
    for order in permutations(range(len(weight)), size):
        left, probability = sum(weight), 1.0
        for point in order:
            probability *= weight[point] / left
            left -= weight[point]
        key = tuple(sorted(order))
        shares[key] = shares.get(key, 0.0) + probability
    return shares


def test_subsets_have_no_duplicates_and_follow_the_weights():
    w2d = torch.rand(3, 2, 20, generator=seeded(), dtype=torch.float64)
    w2d[:, :, 15:] = 0
    indices = sample_subsets(w2d, 2000, 5, seeded())
    assert indices.shape == (3, 2000, 5)
    ordered = indices.sort(-1).values
    assert (ordered[..., 1:] != ordered[..., :-1]).all()
    assert indices.max() < 15
    single = sample_subsets(w2d, 20000, 1, seeded())[..., 0]
    share = torch.stack([(single == point).double().mean(1) for point in range(20)], 1)
    mean = w2d.mean(1)
    torch.testing.assert_close(share, mean / mean.sum(1, keepdim=True), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    'weight',
    [
        [0.5, 0.2, 0.9, 1.0, 0.4],
        [1.0, 1e-3, 2e-3, 1e-3, 5e-4],  # nearly always repeats, and has to be completed
    ],
)
def test_distribution_is_that_of_drawing_one_after_the_other(weight):
    # many objects, because the subsets of one share a clock
    w2d = torch.tensor(weight, dtype=torch.float64).expand(9600, 2, -1)
    drawn = sample_subsets(w2d, 2, 3, seeded(1)).flatten(0, 1)
    ordered = drawn.sort(-1).values
    for subset, probability in exact_distribution(weight, 3).items():
        share = (ordered == torch.tensor(subset)).all(-1).double().mean().item()
        assert share == pytest.approx(probability, abs=0.02)


def test_subsets_of_an_object_differ_where_they_have_to_be_completed():
    w2d = torch.full((1, 2, 40), 1e-6)
    w2d[..., 0] = 1
    indices = sample_subsets(w2d, 64, 5, seeded())
    assert (indices == 0).any(-1).all()
    assert len({tuple(sorted(row)) for row in indices[0].tolist()}) > 32


def test_weightless_points_fill_up_and_all_zero_is_uniform():
    w2d = torch.zeros(2, 2, 10)
    w2d[0, :, :3] = 1
    indices = sample_subsets(w2d, 400, 5, seeded())
    assert ((indices[0] < 3).sum(-1) == 3).all()
    share = torch.bincount(indices[1].flatten(), minlength=10) / 2000
    torch.testing.assert_close(share, torch.full((10,), 0.1), atol=0.03, rtol=0)


def test_all_points_and_huge_weights():
    w2d = torch.full((1, 2, 4), 3e38)
    indices = sample_subsets(w2d, 8, 4, seeded())
    assert indices.sort(-1).values.tolist() == [[[0, 1, 2, 3]] * 8]


def test_a_neighbour_does_not_change_what_an_object_draws():
    w2d = torch.rand(3, 2, 30, generator=seeded())
    other = w2d.clone()
    other[1] = 0
    other[1, :, 4] = 1  # has to be completed, all of it
    first, second = (sample_subsets(weights, 16, 8, seeded()) for weights in (w2d, other))
    assert torch.equal(first[[0, 2]], second[[0, 2]])
    assert not torch.equal(first[1], second[1])


def test_no_objects():
    assert sample_subsets(torch.zeros(0, 2, 9), 16, 8, seeded()).shape == (0, 16, 8)

"""Where the solver has nothing to solve."""

from __future__ import annotations

import pytest
import torch

from epropnp_6dof.models.solver import PoseSolver
from epropnp_6dof.models.structures import Correspondences


@pytest.mark.parametrize('start', ['rslm', 'epnp'])
@pytest.mark.parametrize('samples', [0, 64])
def test_no_objects_give_no_poses(start, samples):
    points = Correspondences(torch.zeros(0, 9, 3), torch.zeros(0, 9, 2), torch.ones(0, 9, 2))
    cameras = torch.zeros(0, 3, 3)
    solver = PoseSolver(start=start, samples=samples)
    assert solver.solve(points, cameras).pose.shape == (0, 7)
    assert solver.results(points, cameras) == []

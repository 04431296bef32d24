"""The EPro-PnP layer as this network uses it (docs/method_6dof.md 4, 5)."""

from __future__ import annotations

import math

from torch import Tensor

from epropnp_det.pnp import AdaptiveHuberCost, EProPnP6DoF, LMSolver, RSLMSolver

from .structures import Crops

Z_MIN = 0.01
"""Metres; objects may come this near to the camera."""
RELATIVE_DELTA = 0.1
"""Huber threshold of the published network."""


def build_layer(mc_samples: int = 512, num_iter: int = 4, **options) -> EProPnP6DoF:
    """The layer with the published network's options (docs/method_6dof.md 4).

    Args:
        mc_samples: Monte Carlo samples.
        num_iter: Iterations of importance sampling.
        **options: ``lm_iter``, ``proposals``, ``proposal_points`` and ``proposal_iter``.
    """
    return EProPnP6DoF(
        mc_samples=mc_samples,
        num_iter=num_iter,
        cost=AdaptiveHuberCost(relative_delta=RELATIVE_DELTA),
        solver=LMSolver(num_iter=options.pop('lm_iter', 5)),
        init_solver=RSLMSolver(
            num_points=options.pop('proposal_points', 16),
            num_proposals=options.pop('proposals', 4),
            num_iter=options.pop('proposal_iter', 3),
        ),
        **options,
    )


def training_bounds(crops: Crops, border: float = 30.0) -> tuple[Tensor, Tensor]:
    """Bounds of projections: the grid and ``border`` cells around it, (B, 2) each."""
    points, margin = crops.grid.flatten(1, 2), border * crops.cell[:, None]
    return points.amin(1) - margin, points.amax(1) + margin


def calibration(num_train: int | None, num_test: int) -> float:
    """Factor of the weights that makes the posterior of more points as sharp as in training (X2).

    Weights sum to the same total over any number of points, but the cost is quadratic in them.
    """
    return 1.0 if num_train is None else math.sqrt(num_test / num_train)

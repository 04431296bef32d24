"""Whether the posterior is as wide as the errors are."""

from __future__ import annotations

import torch
from torch import Tensor

from epropnp_det.pnp import MonteCarloResult, PerspectiveCamera

from ..models.pose_losses import robust_cost
from ..models.structures import Correspondences


@torch.no_grad()
def credible_levels(
    kernel: torch.nn.Module,
    points: Correspondences,
    camera: PerspectiveCamera,
    result: MonteCarloResult,
    poses: Tensor,
) -> Tensor:
    """The level of the smallest credible region that holds the true pose.

    It is the posterior mass of poses that are likelier than the true one. Over many objects of a
    calibrated posterior it is uniform: half of them lie below 0.5, nine tenths below 0.9.

    Args:
        kernel: Robust kernel of the layer.
        points: Correspondences of ``B`` objects, as the layer got them.
        camera: As the layer got it.
        result: With samples.
        poses: True poses, (B, 7).

    Returns:
        In 0..1, (B,).
    """
    truth = robust_cost(kernel, points, camera, poses)
    costs = torch.stack([robust_cost(kernel, points, camera, pose) for pose in result.samples])
    shares = result.log_weights.softmax(0)  # (S, B)
    return (shares * (costs < truth)).sum(0)

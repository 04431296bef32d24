"""All losses of a batch of crops (docs/method_6dof.md 4)."""

from __future__ import annotations

import torch
from mmcv.runner import BaseModule
from mmdet.models.builder import build_loss
from torch import Tensor, nn

from epropnp_det.pnp import EProPnP6DoF, MonteCarloPoseLoss, MonteCarloResult, PerspectiveCamera
from epropnp_det.pnp.cost import huber

from .structures import Correspondences, Maps, Targets


class PoseLosses(BaseModule):
    """Coordinates, Monte Carlo pose loss, derivative regularisation.

    A weight of zero switches a term off; without ``coordinate`` no model of the object is needed.

    Args:
        coordinate: Weight of the L1 loss of coordinates.
        coordinate_over_mask: See `MaskedCoordinateLoss`.
        monte_carlo: Weight of the Monte Carlo loss.
        translation: Weight of the loss of the translation of ``pose_plus``.
        rotation: Weight of the loss of the rotation of ``pose_plus``.
        beta: Threshold of the translation loss in metres.
        momentum: Of the running mean of the weight scale.
    """

    def __init__(
        self,
        coordinate: float = 1.0,
        coordinate_over_mask: bool = False,
        monte_carlo: float = 0.2,
        translation: float = 1.0,
        rotation: float = 1.0,
        beta: float = 0.05,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        self.loss_coordinate = build_loss(
            {
                'type': 'MaskedCoordinateLoss',
                'loss_weight': coordinate,
                'over_mask': coordinate_over_mask,
            }
        )
        self.loss_pose = MonteCarloPoseLoss(monte_carlo, momentum)
        self.loss_translation = build_loss(
            {'type': 'TranslationLoss', 'loss_weight': translation, 'beta': beta}
        )
        self.loss_rotation = build_loss({'type': 'RotationLoss', 'loss_weight': rotation})

    def forward(
        self,
        pnp: EProPnP6DoF,
        camera: PerspectiveCamera,
        points: Correspondences,
        maps: Maps,
        targets: Targets,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Computes the losses.

        Args:
            pnp: The layer.
            camera: One per crop.
            points: Drawn from the maps.
            maps: Predictions for all cells.
            targets: Ground truth of the crops.
            generator: Source of the solver's and the Monte Carlo draws.

        Returns:
            Losses by name, and the metrics ``ess`` (share of samples), ``degrees`` and ``distance``
            (metres): errors of the solution next to the ground truth.
        """
        losses = {}
        if self.loss_coordinate.loss_weight:
            losses['loss_coordinate'] = self.loss_coordinate(maps.noc, targets.noc, targets.mask)
        weights = (
            self.loss_pose.loss_weight,
            self.loss_translation.loss_weight,
            self.loss_rotation.loss_weight,
        )
        if not any(weights):
            return losses
        costs = equivalent_costs(pnp.cost, points, camera, targets.poses)
        nearest = costs.detach().argmin(1)
        solution = pnp.monte_carlo_forward(
            *points,
            camera,
            pose_init=targets.poses[torch.arange(len(nearest)), nearest],
            with_pose_plus=True,
            generator=generator,
        )
        if self.loss_pose.loss_weight:
            losses['loss_pose'] = self.loss_pose(
                solution.log_weights, -(-costs).logsumexp(1), maps.scale.detach().mean()
            )
        losses.update(self._derivative(solution, targets.poses))
        losses.update(_metrics(solution, targets.poses))
        return losses

    def _derivative(self, solution: MonteCarloResult, poses: Tensor) -> dict[str, Tensor]:
        """Losses of the pose after one differentiable step; the nearest equivalent target."""
        plus = solution.pose_plus[:, None]
        translation = self.loss_translation(plus, poses)  # (B, M)
        rotation = self.loss_rotation(plus, poses)
        nearest = (translation + rotation).detach().argmin(1, keepdim=True)
        pairs = {'loss_translation': translation, 'loss_rotation': rotation}
        losses = {}
        for name, value in pairs.items():
            if getattr(self, name).loss_weight:
                losses[name] = (value.gather(1, nearest)[:, 0] * solution.valid).mean()
        return losses


def equivalent_costs(
    kernel: nn.Module, points: Correspondences, camera: PerspectiveCamera, poses: Tensor
) -> Tensor:
    """Costs of the true pose and of those that a symmetric object cannot be told apart in.

    The posterior of a symmetric object is the mean of the predicted distribution's images under
    the ``M`` symmetries, so the likelihood of the annotated pose is the mean of the predicted
    likelihoods of its equivalents: its cost is ``-logsumexp(-costs)``, up to ``log M``. The network
    may speak for any one of them. It could not speak for all at once: with Huber's kernel, points
    that are shared out among several poses agree on none of them (docs/6dof.md, "A symmetric
    object").

    Args:
        kernel: Robust kernel of the layer.
        points: Of ``B`` objects.
        camera: One per object.
        poses: (B, M, 7).

    Returns:
        (B, M).
    """
    return torch.stack([robust_cost(kernel, points, camera, pose) for pose in poses.unbind(1)], 1)


def robust_cost(
    kernel: nn.Module, points: Correspondences, camera: PerspectiveCamera, pose: Tensor
) -> Tensor:
    """Robust reprojection cost of one pose per object, differentiable, (B,)."""
    error = (camera.project(points.x3d, pose) - points.x2d) * points.w2d
    # The root has no gradient at zero.
    distance = error.square().sum(-1).clamp(min=1e-16).sqrt()
    return huber(distance, kernel(points.x2d, points.w2d)[:, None]).sum(1)


@torch.no_grad()
def _metrics(solution: MonteCarloResult, poses: Tensor) -> dict[str, Tensor]:
    product = (solution.pose[:, None, 3:] * poses[..., 3:]).sum(-1).abs().clamp(max=1)
    distance = (solution.pose[:, None, :3] - poses[..., :3]).norm(dim=-1)
    return {
        'ess': (solution.ess / len(solution.samples)).mean(),
        'degrees': torch.rad2deg(2 * product.acos()).min(1).values.mean(),
        'distance': distance.min(1).values.mean(),
    }

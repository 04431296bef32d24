"""Losses of the object pose network (docs/method_6dof.md 4)."""

from __future__ import annotations

import torch
from mmdet.models.builder import LOSSES
from torch import Tensor, nn


@LOSSES.register_module()
class MaskedCoordinateLoss(nn.Module):
    """L1 of the masked normalised coordinates.

    Args:
        loss_weight: Factor of the loss.
        over_mask: Whether the sum is divided by the mask instead of by the number of cells, so that
            the loss does not depend on the object's share of the crop (X22).
    """

    def __init__(self, loss_weight: float = 1.0, over_mask: bool = False) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.over_mask = over_mask

    def forward(self, noc: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over the batch; of a symmetric object, the equivalent target that fits best (X20).

        Args:
            noc: Predicted, (B, 3, h, w).
            targets: (B, M, 3, h, w) for M equivalent poses, the first of which is the annotated
                one; where an object has fewer, repeat one.
            mask: Share of the object in each cell, (B, h, w).

        Returns:
            Scalar.
        """
        error = (noc[:, None] - targets).abs() * mask[:, None, None]
        total = error.flatten(2).sum(2).min(1).values  # (B,)
        if self.over_mask:
            total = total / (3 * mask.flatten(1).sum(1)).clamp(min=1)
        else:
            total = total / noc[0].numel()
        return self.loss_weight * total.mean()


@LOSSES.register_module()
class TranslationLoss(nn.Module):
    """Huber loss of the distance, divided by its threshold: d^2 / 2 beta, then d - beta / 2.

    Args:
        loss_weight: Factor of the loss.
        beta: Metres.
    """

    def __init__(self, loss_weight: float = 1.0, beta: float = 0.05) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.beta = beta

    def forward(self, pose: Tensor, targets: Tensor) -> Tensor:
        """Loss of each pair of poses, (..., 7) each -> (...)."""
        square = (pose[..., :3] - targets[..., :3]).square().sum(-1)
        # The root has no gradient at zero, and is not used there.
        distance = square.clamp(min=self.beta**2).sqrt()
        near = square / (2 * self.beta)
        loss = torch.where(square < self.beta**2, near, distance - self.beta / 2)
        return self.loss_weight * loss


@LOSSES.register_module()
class RotationLoss(nn.Module):
    """``2 (1 - <q, q_target>^2)``, which is ``2 sin^2`` of half the angle between them.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pose: Tensor, targets: Tensor) -> Tensor:
        """Loss of each pair of poses, (..., 7) each -> (...)."""
        product = (pose[..., 3:] * targets[..., 3:]).sum(-1)
        return self.loss_weight * 2 * (1 - product.square())

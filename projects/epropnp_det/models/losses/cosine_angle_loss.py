"""Orientation loss of the derivative regularisation."""

from __future__ import annotations

from mmdet.models.losses.utils import weight_reduce_loss
from mmdet3d.models.builder import LOSSES
from torch import Tensor, nn

__all__ = ['CosineAngleLoss']


@LOSSES.register_module()
class CosineAngleLoss(nn.Module):
    """``1 - cos(pred - target)``: smooth, and blind to full turns.

    Source: docs/method.md 3.2, ``reg_orient``.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Weighted mean over angles.

        Args:
            pred: Angles in radians, (n,).
            target: Angles in radians, (n,).
            weight: (n,), or None for equal weights.
            avg_factor: Divisor of the weighted sum, or None for the count.

        Returns:
            Scalar loss.
        """
        loss = 1 - (pred - target).cos()
        return self.loss_weight * weight_reduce_loss(loss, weight, 'mean', avg_factor)

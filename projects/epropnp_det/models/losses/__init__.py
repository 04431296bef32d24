"""Losses that mmdet does not have."""

from .cosine_angle_loss import CosineAngleLoss
from .object_losses import ObjectLosses, distance_score

__all__ = ['CosineAngleLoss', 'ObjectLosses', 'distance_score']

"""Losses that mmdet does not have."""

from .cosine_angle_loss import CosineAngleLoss
from .mixture_loss import MixtureNLLLoss
from .object_losses import ObjectLosses, SampledObjects, distance_score

__all__ = ['CosineAngleLoss', 'MixtureNLLLoss', 'ObjectLosses', 'SampledObjects', 'distance_score']

"""The network: backbone, correspondence head, losses."""

from .estimator import Crops, ObjectPoseEstimator, Targets
from .head import CorrespondenceHead
from .losses import MaskedCoordinateLoss, RotationLoss, TranslationLoss
from .pose_losses import PoseLosses

__all__ = [
    'CorrespondenceHead',
    'Crops',
    'MaskedCoordinateLoss',
    'ObjectPoseEstimator',
    'PoseLosses',
    'RotationLoss',
    'Targets',
    'TranslationLoss',
]

"""The network: backbone, correspondence head, losses, solver and posterior."""

from .estimator import ObjectPoseEstimator
from .head import CorrespondenceHead
from .losses import MaskedCoordinateLoss, RotationLoss, TranslationLoss
from .pose_losses import PoseLosses
from .solver import PoseSolver
from .structures import Crops, Targets

__all__ = [
    'CorrespondenceHead',
    'Crops',
    'MaskedCoordinateLoss',
    'ObjectPoseEstimator',
    'PoseLosses',
    'PoseSolver',
    'RotationLoss',
    'Targets',
    'TranslationLoss',
]

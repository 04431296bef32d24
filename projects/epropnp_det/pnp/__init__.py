"""EPro-PnP: a differentiable, probabilistic Perspective-n-Point layer. Needs torch alone.

See ``docs/pnp.md`` for a guide.
"""

from .camera import PerspectiveCamera
from .cost import AdaptiveHuberCost
from .export import DeterministicPnP, export_onnx
from .layer import EProPnP4DoF, EProPnP6DoF
from .levenberg_marquardt import LMSolver
from .loss import MonteCarloPoseLoss
from .pose import Pose4DoF, Pose6DoF
from .random_sample import InitialPose, RSLMSolver
from .results import MonteCarloResult, PnPResult

__all__ = [
    'AdaptiveHuberCost',
    'DeterministicPnP',
    'EProPnP4DoF',
    'EProPnP6DoF',
    'InitialPose',
    'LMSolver',
    'MonteCarloPoseLoss',
    'MonteCarloResult',
    'PerspectiveCamera',
    'PnPResult',
    'Pose4DoF',
    'Pose6DoF',
    'RSLMSolver',
    'export_onnx',
]

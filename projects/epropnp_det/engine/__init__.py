"""What trains any network and knows nothing of the detector; importing it registers the hooks."""

from .checkpoint_files import publish_checkpoint, read_checkpoint, write_checkpoint
from .checkpoint_loading import check_start, load_weights
from .config import config_fingerprint, config_of, load_config, plain_config, with_data_root
from .device import CpuDataParallel, select_device
from .hooks import DistMono3DEvalHook, Mono3DEvalHook, NanSafeOptimizerHook
from .steps import Step, StepChain, StepFailed
from .train import train_detector

__all__ = [
    'CpuDataParallel',
    'DistMono3DEvalHook',
    'Mono3DEvalHook',
    'NanSafeOptimizerHook',
    'Step',
    'StepChain',
    'StepFailed',
    'check_start',
    'config_fingerprint',
    'config_of',
    'load_config',
    'load_weights',
    'plain_config',
    'publish_checkpoint',
    'read_checkpoint',
    'select_device',
    'train_detector',
    'with_data_root',
    'write_checkpoint',
]

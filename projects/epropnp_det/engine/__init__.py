"""Trains and tests any network of mmdet3d's registry; importing this registers runners and hooks.

Nothing here knows the detector: configs name the runner and the hooks, so the stock scripts of
mmdet3d have them, too, by ``custom_imports``.
"""

from .checkpoint_files import publish_checkpoint, read_checkpoint, write_checkpoint
from .checkpoint_loading import check_start, load_weights
from .config import config_fingerprint, config_of, load_config, plain_config, with_data_root
from .device import CpuDataParallel, select_device
from .evaluation import EvaluationHook, collect, forward, predict_dataset
from .losses import LossLog, parse_losses
from .optimizer_hook import NanSafeOptimizerHook
from .processes import CpuDistributedDataParallel, parallel_model, start_processes
from .randomness import fold, isolated, seed_everything
from .runners import ResumableEpochRunner, ResumableIterRunner
from .save_latest import SaveLatestHook
from .saving import check_folder, find_latest
from .steps import Step, StepChain, StepFailed
from .train import train_model

__all__ = [
    'CpuDataParallel',
    'CpuDistributedDataParallel',
    'EvaluationHook',
    'LossLog',
    'NanSafeOptimizerHook',
    'ResumableEpochRunner',
    'ResumableIterRunner',
    'SaveLatestHook',
    'Step',
    'StepChain',
    'StepFailed',
    'check_folder',
    'check_start',
    'collect',
    'config_fingerprint',
    'config_of',
    'find_latest',
    'fold',
    'forward',
    'isolated',
    'load_config',
    'load_weights',
    'parallel_model',
    'parse_losses',
    'plain_config',
    'predict_dataset',
    'publish_checkpoint',
    'read_checkpoint',
    'seed_everything',
    'select_device',
    'start_processes',
    'train_model',
    'with_data_root',
    'write_checkpoint',
]

"""Trains and tests any network of mmdet3d's registry; importing this registers runners and hooks.

Nothing here knows the detector: configs name the runner and the hooks, so the stock scripts of
mmdet3d have them, too, by ``custom_imports``.
"""

from .checkpoint_files import publish_checkpoint, read_checkpoint, write_checkpoint
from .checkpoint_loading import check_start, load_weights
from .config import config_fingerprint, config_of, load_config, plain_config, with_data_root
from .device import CpuDataParallel, select_device
from .evaluation import EvaluationHook, build_test_loader, collect, forward, predict_dataset
from .losses import LossLog, parse_losses
from .optimizer_constructor import OptimizerConstructor
from .optimizer_hook import NanSafeOptimizerHook
from .parallel import DistributedDataParallel, GpuDataParallel, to_device
from .processes import parallel_model, start_processes
from .randomness import fold, isolated, seed_everything
from .result_pictures import RESULT_PICTURES, write_result_picture
from .runners import ResumableEpochRunner, ResumableIterRunner
from .safety import check_formatting, check_scoring, check_target, data_parts, kept_results
from .save_latest import SaveLatestHook
from .saving import check_folder, find_latest
from .steps import Step, StepChain, StepFailed
from .train import prepare_training, train_model, workflow_data

__all__ = [
    'CpuDataParallel',
    'DistributedDataParallel',
    'EvaluationHook',
    'GpuDataParallel',
    'LossLog',
    'NanSafeOptimizerHook',
    'OptimizerConstructor',
    'RESULT_PICTURES',
    'ResumableEpochRunner',
    'ResumableIterRunner',
    'SaveLatestHook',
    'Step',
    'StepChain',
    'StepFailed',
    'build_test_loader',
    'check_folder',
    'check_formatting',
    'check_scoring',
    'check_target',
    'check_start',
    'collect',
    'config_fingerprint',
    'data_parts',
    'config_of',
    'find_latest',
    'fold',
    'forward',
    'isolated',
    'kept_results',
    'load_config',
    'load_weights',
    'parallel_model',
    'parse_losses',
    'plain_config',
    'predict_dataset',
    'prepare_training',
    'publish_checkpoint',
    'read_checkpoint',
    'seed_everything',
    'select_device',
    'start_processes',
    'to_device',
    'train_model',
    'with_data_root',
    'workflow_data',
    'write_checkpoint',
    'write_result_picture',
]

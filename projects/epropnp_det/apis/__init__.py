"""Train, test and infer, on CPU and GPU; importing this registers the runner hooks."""

from ..engine import (
    CpuDataParallel,
    DistMono3DEvalHook,
    Mono3DEvalHook,
    NanSafeOptimizerHook,
    load_config,
    load_weights,
    select_device,
    train_detector,
    with_data_root,
)
from .frames import Frame, read_frames
from .inference import infer_images, init_detector, predict_dataset
from .intrinsics import check_intrinsics, intrinsics_from_focal, intrinsics_of, read_intrinsics
from .matching import Report, counted, match, report
from .pictures import save_pictures
from .results import to_objects, to_records

__all__ = [
    'CpuDataParallel',
    'DistMono3DEvalHook',
    'Frame',
    'Mono3DEvalHook',
    'NanSafeOptimizerHook',
    'Report',
    'check_intrinsics',
    'counted',
    'infer_images',
    'init_detector',
    'intrinsics_from_focal',
    'intrinsics_of',
    'load_config',
    'load_weights',
    'match',
    'predict_dataset',
    'read_frames',
    'read_intrinsics',
    'report',
    'save_pictures',
    'select_device',
    'to_objects',
    'to_records',
    'train_detector',
    'with_data_root',
]

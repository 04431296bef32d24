"""The detector for people: inference on images of any camera, pictures, reports."""

from ..engine import (
    config_of,
    load_config,
    load_weights,
    plain_config,
    predict_dataset,
    select_device,
    with_data_root,
)
from .detections import ImageDetections
from .frames import Frame, read_frames
from .inference import detect, detect_stream, init_detector
from .intrinsics import check_intrinsics, intrinsics_from_focal, intrinsics_of, read_intrinsics
from .matching import Report, counted, match, report
from .pictures import save_pictures
from .results import to_objects

__all__ = [
    'Frame',
    'ImageDetections',
    'Report',
    'check_intrinsics',
    'config_of',
    'counted',
    'detect',
    'detect_stream',
    'init_detector',
    'intrinsics_from_focal',
    'intrinsics_of',
    'load_config',
    'load_weights',
    'match',
    'plain_config',
    'predict_dataset',
    'read_frames',
    'read_intrinsics',
    'report',
    'save_pictures',
    'select_device',
    'to_objects',
    'with_data_root',
]

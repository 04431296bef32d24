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
from ..inputs import mounting_from_height
from .detections import ImageDetections
from .frames import Frame, read_frames
from .inference import detect, detect_stream, init_detector, resolve_config, uses_mounting
from .intrinsics import check_intrinsics, intrinsics_from_focal, intrinsics_of, read_intrinsics
from .matching import Report, counted, match, report
from .pictures import save_pictures
from .recording import detect_samples, mounting_for, record_samples
from .result_pictures import draw_result
from .results import to_objects
from .sequences import Scene, read_scenes, select_scene
from .views import VIEWS, draw_view, view_sheet, wanted_for

__all__ = [
    'Frame',
    'ImageDetections',
    'Report',
    'Scene',
    'VIEWS',
    'check_intrinsics',
    'config_of',
    'counted',
    'detect',
    'detect_samples',
    'detect_stream',
    'draw_result',
    'draw_view',
    'init_detector',
    'intrinsics_from_focal',
    'intrinsics_of',
    'load_config',
    'load_weights',
    'match',
    'mounting_for',
    'mounting_from_height',
    'plain_config',
    'predict_dataset',
    'read_frames',
    'read_intrinsics',
    'read_scenes',
    'record_samples',
    'report',
    'resolve_config',
    'save_pictures',
    'select_device',
    'select_scene',
    'to_objects',
    'uses_mounting',
    'view_sheet',
    'wanted_for',
    'with_data_root',
]

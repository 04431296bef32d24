"""Pictures of detections: boxes over the image, bird's-eye views, whole frames. numpy and OpenCV.

Nothing here knows of networks or datasets: every function takes arrays and returns a new image.
"""

from ..box_geometry import box_corners, project
from .bev_view import draw_bev, draw_surround_bev
from .camera_view import draw_boxes_3d
from .geometry import project_boxes_2d, project_segments
from .palette import GROUND_TRUTH_COLOR, class_color
from .panel import NUSCENES_LAYOUT, draw_panel, draw_side_by_side, enlarged
from .values import LEVEL_CAMERA, CameraView, Objects

__all__ = [
    'GROUND_TRUTH_COLOR',
    'LEVEL_CAMERA',
    'NUSCENES_LAYOUT',
    'CameraView',
    'Objects',
    'box_corners',
    'class_color',
    'draw_bev',
    'draw_boxes_3d',
    'draw_panel',
    'draw_side_by_side',
    'draw_surround_bev',
    'enlarged',
    'project',
    'project_boxes_2d',
    'project_segments',
]

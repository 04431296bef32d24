"""Pictures of detections: one function per view, on plain arrays. numpy and OpenCV.

Nothing here knows of networks or data sets. A view returns a new picture, or draws into the one
given as ``out``, so that views can be laid over each other.
"""

from ..boxes.arrays import box_corners, project
from .bev_view import draw_bev, draw_surround_bev
from .camera_view import draw_boxes_2d, draw_boxes_3d
from .canvas import muted
from .geometry import project_boxes_2d, project_segments
from .legend import draw_color_bar, draw_key, draw_legend, legend_strip, titled
from .map_view import draw_depth_map, draw_score_map
from .palette import GROUND_TRUTH_COLOR, class_color
from .panel import (
    NUSCENES_LAYOUT,
    draw_from_above,
    draw_panel,
    draw_side_by_side,
    enlarged,
    layout_of,
)
from .points_view import draw_points, points_key
from .posterior_view import draw_bev_density, draw_orientation_density
from .values import LEVEL_CAMERA, CameraView, Objects
from .video import VideoWriter, fitted

__all__ = [
    'GROUND_TRUTH_COLOR',
    'LEVEL_CAMERA',
    'NUSCENES_LAYOUT',
    'CameraView',
    'Objects',
    'VideoWriter',
    'box_corners',
    'class_color',
    'draw_bev',
    'draw_bev_density',
    'draw_boxes_2d',
    'draw_boxes_3d',
    'draw_color_bar',
    'draw_depth_map',
    'draw_from_above',
    'draw_key',
    'draw_legend',
    'draw_orientation_density',
    'draw_panel',
    'draw_points',
    'draw_score_map',
    'draw_side_by_side',
    'draw_surround_bev',
    'enlarged',
    'fitted',
    'layout_of',
    'legend_strip',
    'muted',
    'points_key',
    'project',
    'project_boxes_2d',
    'project_segments',
    'titled',
]

"""From poses and scores to detections."""

from .decoder import Detections, decode_detections, posterior_score
from .projection import project_boxes
from .suppression import bev_nms, projected_nms

__all__ = [
    'Detections',
    'bev_nms',
    'decode_detections',
    'posterior_score',
    'project_boxes',
    'projected_nms',
]

"""From poses and scores to detections."""

from .decoder import decode_detections, posterior_score, turned
from .dense_maps import DenseMaps, cell_to_image, score_map
from .detections import Detections
from .ground import Ground, stand_on_ground
from .suppression import bev_nms, class_shares, projected_nms

__all__ = [
    'DenseMaps',
    'Detections',
    'Ground',
    'bev_nms',
    'cell_to_image',
    'class_shares',
    'decode_detections',
    'posterior_score',
    'projected_nms',
    'score_map',
    'stand_on_ground',
    'turned',
]

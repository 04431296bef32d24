"""From poses and scores to detections."""

from .decoder import Detections, decode_detections, posterior_score
from .dense_maps import DenseMaps, cell_to_image, score_map
from .suppression import bev_nms, projected_nms

__all__ = [
    'DenseMaps',
    'Detections',
    'bev_nms',
    'cell_to_image',
    'decode_detections',
    'posterior_score',
    'projected_nms',
    'score_map',
]

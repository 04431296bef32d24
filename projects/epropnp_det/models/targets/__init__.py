"""Training targets of the dense head, object sampling and candidate selection."""

from .candidates import Candidates, find_candidates
from .fcos_targets import DenseTargets, fcos_targets, ignored_points
from .ground_truth import collect_ground_truth, ignored_regions, visible_objects
from .object_sampling import sample_objects
from .point_grid import PointGrid, gather_centers, gather_points, point_grid
from .volume_center import VolumeCenters, volume_centers

__all__ = [
    'Candidates',
    'DenseTargets',
    'PointGrid',
    'VolumeCenters',
    'collect_ground_truth',
    'fcos_targets',
    'find_candidates',
    'gather_centers',
    'gather_points',
    'ignored_points',
    'ignored_regions',
    'point_grid',
    'sample_objects',
    'visible_objects',
    'volume_centers',
]

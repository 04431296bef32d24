"""Training targets of the dense head, object sampling and candidate selection."""

from .candidates import Candidates, find_candidates
from .fcos_targets import DenseTargets, fcos_targets, ignored_points
from .object_sampling import sample_objects
from .point_grid import PointGrid, gather_centers, gather_points, point_grid
from .volume_center import VolumeCenters, volume_centers

__all__ = [
    'Candidates',
    'DenseTargets',
    'PointGrid',
    'VolumeCenters',
    'fcos_targets',
    'find_candidates',
    'gather_centers',
    'gather_points',
    'ignored_points',
    'point_grid',
    'sample_objects',
    'volume_centers',
]

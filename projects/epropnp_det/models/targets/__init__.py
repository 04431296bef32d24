"""Training targets of the dense head, object sampling and candidate selection."""

from .candidates import select_candidates
from .fcos_targets import DenseTargets, fcos_targets, ignored_points
from .object_sampling import sample_objects
from .point_grid import PointGrid, gather_centers, gather_points, point_grid
from .volume_center import VolumeCenters, volume_centers

__all__ = [
    'DenseTargets',
    'PointGrid',
    'VolumeCenters',
    'fcos_targets',
    'gather_centers',
    'gather_points',
    'ignored_points',
    'point_grid',
    'sample_objects',
    'select_candidates',
    'volume_centers',
]

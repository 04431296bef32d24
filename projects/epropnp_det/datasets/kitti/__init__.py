"""KITTI: its files, its data set, and its average precision without a GPU."""

from .average_precision import ClassScores, evaluate_class
from .dataset import KittiEProPnPDataset
from .export import export_kitti
from .files import KittiObjects, camera_offset, read_objects, read_projection, write_results

__all__ = [
    'ClassScores',
    'KittiEProPnPDataset',
    'KittiObjects',
    'camera_offset',
    'evaluate_class',
    'export_kitti',
    'read_objects',
    'read_projection',
    'write_results',
]

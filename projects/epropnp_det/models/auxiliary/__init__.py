"""Auxiliary branches of training: supervision from poses and from LiDAR.

Source: docs/method.md 2.6.
"""

from .apparent_size_branch import ApparentSizeBranch, apparent_height
from .auxiliary_head import AuxiliaryHead, encode_reprojection_error
from .depth_branch import DepthBranch, decode_depth
from .heading_branch import HeadingBranch, join_headings, sight_heading
from .lidar_points import LidarPoints, cell_targets, object_points
from .objects import SupervisedObjects, supervised_objects
from .roi_branch import RoIBranch, RoIPrediction
from .roi_overlap import RoIPairs, find_overlaps, inter_roi_logsumexp

__all__ = [
    'ApparentSizeBranch',
    'AuxiliaryHead',
    'DepthBranch',
    'HeadingBranch',
    'LidarPoints',
    'RoIBranch',
    'RoIPairs',
    'RoIPrediction',
    'SupervisedObjects',
    'apparent_height',
    'cell_targets',
    'decode_depth',
    'encode_reprojection_error',
    'find_overlaps',
    'inter_roi_logsumexp',
    'join_headings',
    'object_points',
    'sight_heading',
    'supervised_objects',
]

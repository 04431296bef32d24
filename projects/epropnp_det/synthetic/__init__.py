"""Writes a small nuScenes of its own: official tables, six rendered cameras and LiDAR keyframes.

The whole nuScenes toolchain (devkit, mmdet3d's converter, the official evaluator) runs on it
without a download.
"""

from .content.conditions import PRESETS
from .files.spec import SPLITS, Spec, scene_order, scene_world
from .files.writer import make_dataset

__all__ = ['PRESETS', 'SPLITS', 'Spec', 'make_dataset', 'scene_order', 'scene_world']

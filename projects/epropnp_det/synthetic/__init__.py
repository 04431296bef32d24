"""Writes a small nuScenes of its own: official tables, six rendered cameras and LiDAR keyframes.

The whole nuScenes toolchain (devkit, mmdet3d's converter, the official evaluator) runs on it
without a download.
"""

from .writer import SCENE_NAMES, Spec, make_dataset, scene_world

__all__ = ['SCENE_NAMES', 'Spec', 'make_dataset', 'scene_world']

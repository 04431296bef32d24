"""Data: BOP and official layout, crops, coordinate maps, augmentation."""

from .dataset import ObjectPoseDataset

__all__ = ['ObjectPoseDataset']

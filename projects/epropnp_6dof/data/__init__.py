"""Data: BOP and official layout, coordinate maps, augmentation, the data set."""

from .dataset import ObjectPoseDataset

__all__ = ['ObjectPoseDataset']

"""Data: the nuScenes data set and its pipeline steps."""

from .pipelines import CropMono3D, FlipMono3D, LoadImageMono3D, ResizeMono3D

__all__ = ['CropMono3D', 'FlipMono3D', 'LoadImageMono3D', 'ResizeMono3D']

"""Pipeline steps for monocular 3D detection that never touch intrinsics or 3D ground truth."""

from .geometry import CropMono3D, FlipMono3D, ResizeMono3D
from .loading import LoadImageMono3D

__all__ = ['CropMono3D', 'FlipMono3D', 'LoadImageMono3D', 'ResizeMono3D']

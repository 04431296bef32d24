"""Pipeline steps for monocular 3D detection that never move intrinsics or 3D ground truth."""

from .geometry import CropMono3D, FlipMono3D, ResizeMono3D
from .lidar import LoadLidarMono3D
from .loading import LoadImageMono3D
from .velocities import ZeroUnknownVelocities
from .zoom import ZoomMono3D

__all__ = [
    'CropMono3D',
    'FlipMono3D',
    'LoadImageMono3D',
    'LoadLidarMono3D',
    'ResizeMono3D',
    'ZeroUnknownVelocities',
    'ZoomMono3D',
]

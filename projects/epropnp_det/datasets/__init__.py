"""Data: the nuScenes data set, its pipeline steps, and the way to a submission."""

from .annotations import AnnotationFilter
from .class_balance import CBGSMono3DDataset
from .kitti import KittiEProPnPDataset
from .nuscenes_epropnp import NuScenesEProPnPDataset
from .pipelines import (
    CropMono3D,
    FlipMono3D,
    LoadImageMono3D,
    LoadLidarMono3D,
    ResizeMono3D,
    ZoomMono3D,
)
from .submission import SubmissionOptions

__all__ = [
    'AnnotationFilter',
    'CBGSMono3DDataset',
    'CropMono3D',
    'FlipMono3D',
    'KittiEProPnPDataset',
    'LoadImageMono3D',
    'LoadLidarMono3D',
    'NuScenesEProPnPDataset',
    'ResizeMono3D',
    'SubmissionOptions',
    'ZoomMono3D',
]

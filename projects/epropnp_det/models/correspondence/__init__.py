"""Deformable correspondence head: dense features, object queries -> 2D-3D correspondences."""

from .correspondence_head import CorrespondenceHead
from .deformable_sampler import DeformableSampler, SampledObjects
from .feature_encoder import DenseFeatureEncoder
from .point_head import PointHead

__all__ = [
    'CorrespondenceHead',
    'DeformableSampler',
    'DenseFeatureEncoder',
    'PointHead',
    'SampledObjects',
]

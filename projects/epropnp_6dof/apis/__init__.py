"""Poses of objects in images of any calibrated camera."""

from ..objects.poses import ObjectPose
from .inference import infer, init_estimator, objects_of

__all__ = ['ObjectPose', 'infer', 'init_estimator', 'objects_of']

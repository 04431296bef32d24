"""Poses of objects in images of any calibrated camera."""

from .inference import ObjectPose, infer, init_estimator, objects_of

__all__ = ['ObjectPose', 'infer', 'init_estimator', 'objects_of']

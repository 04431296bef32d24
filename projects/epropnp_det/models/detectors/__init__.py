"""Detectors registered in mmdet3d."""

from .epropnp_det import EProPnPDet

__all__ = ['EProPnPDet']

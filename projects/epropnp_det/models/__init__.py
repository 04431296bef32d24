"""Models registered in mmdet3d: detector, heads, losses, coders, and the PnP layer's registry."""

from . import builder, coders, correspondence, detectors, heads, losses

__all__ = ['builder', 'coders', 'correspondence', 'detectors', 'heads', 'losses']

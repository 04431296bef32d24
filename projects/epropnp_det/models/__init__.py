"""Models registered in mmdet3d: detector, heads, losses, coders, and the PnP layer's registry."""

from . import auxiliary, builder, coders, correspondence, detectors, heads, losses

__all__ = ['auxiliary', 'builder', 'coders', 'correspondence', 'detectors', 'heads', 'losses']

"""Dense auxiliary branch of training: supervision from poses and from LiDAR (method.md 2.6)."""

from .roi_overlap import RoIPairs, find_overlaps, inter_roi_logsumexp

__all__ = ['RoIPairs', 'find_overlaps', 'inter_roi_logsumexp']

"""Several views of one image, the plain and the mirrored one, as one set of correspondences."""

from .alignment import align_views, average_logits
from .merging import head_by_head, merge_views

__all__ = ['align_views', 'average_logits', 'head_by_head', 'merge_views']

"""Several views of one image, the plain and the mirrored one, as one set of correspondences."""

from .alignment import align_views, average_logits
from .merging import merge_views
from .mirrored_head import mirrored_head

__all__ = ['align_views', 'average_logits', 'merge_views', 'mirrored_head']

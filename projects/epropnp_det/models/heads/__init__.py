"""Heads registered in mmdet3d."""

from .epropnp_head import EProPnPHead
from .fcos_embedding_head import FCOSEmbeddingHead
from .mirrored_head import mirrored_head

__all__ = ['EProPnPHead', 'FCOSEmbeddingHead', 'mirrored_head']

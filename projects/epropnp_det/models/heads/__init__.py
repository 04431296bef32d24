"""Heads registered in mmdet3d."""

from .epropnp_head import EProPnPHead
from .fcos_embedding_head import FCOSEmbeddingHead

__all__ = ['EProPnPHead', 'FCOSEmbeddingHead']

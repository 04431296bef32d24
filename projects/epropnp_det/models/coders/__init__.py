"""Coders between what the network predicts and metric quantities."""

from .dimension_coder import MultiClassLogDimCoder

__all__ = ['MultiClassLogDimCoder']

"""Dimensions of objects relative to the statistics of their class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.core.bbox.builder import BBOX_CODERS
from torch import Tensor, nn

__all__ = ['MultiClassLogDimCoder']


@BBOX_CODERS.register_module()
class MultiClassLogDimCoder(nn.Module):
    """Log-dimensions in units of the relative standard deviation of the class (docs/method.md 2.5).

    ``dims = mean * exp(encoded * std / mean)``, element-wise with the class's own mean and std.

    Args:
        means: Mean length, height, width of each class in metres, (classes, 3).
        stds: Standard deviations in metres, (classes, 3).

    Raises:
        ValueError: If the tables differ in shape or hold values that are not positive.
    """

    def __init__(self, means: Sequence[Sequence[float]], stds: Sequence[Sequence[float]]) -> None:
        super().__init__()
        mean = torch.as_tensor(means, dtype=torch.float32)
        std = torch.as_tensor(stds, dtype=torch.float32)
        if mean.dim() != 2 or mean.shape[-1] != 3 or std.shape != mean.shape:
            raise ValueError(
                'means and stds must both list [length, height, width] per class, got shapes '
                f'{tuple(mean.shape)} and {tuple(std.shape)}'
            )
        if not ((mean > 0).all() and (std > 0).all()):
            raise ValueError('means and stds of the classes must be positive')
        self.register_buffer('mean', mean, persistent=False)
        self.register_buffer('relative_std', std / mean, persistent=False)

    @property
    def num_classes(self) -> int:
        """Number of classes in the tables."""
        return len(self.mean)

    def encode(self, dims: Tensor, labels: Tensor) -> Tensor:
        """Encodes dimensions.

        Args:
            dims: Length, height, width in metres, > 0, (n, 3).
            labels: Class indices, (n,).

        Returns:
            Encoded dimensions, (n, 3).
        """
        return (dims / self.mean[labels]).log() / self.relative_std[labels]

    def decode(self, encoded: Tensor, labels: Tensor) -> Tensor:
        """Inverse of :meth:`encode`: dimensions in metres, (n, 3)."""
        return self.mean[labels] * (encoded * self.relative_std[labels]).exp()

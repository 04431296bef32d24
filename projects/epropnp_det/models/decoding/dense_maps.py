"""What the dense head sees, as maps for pictures (docs/method.md 7.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..structures import DenseOutput, ImageGeometry

__all__ = ['DenseMaps', 'cell_to_image', 'score_map']


class DenseMaps(NamedTuple):
    """Maps of one image; cells count as (column + 0.5, row + 0.5).

    Attributes:
        scores: Sum over classes of class score times centerness, (h, w).
        score2img: Cell of ``scores`` -> pixel of the original image, affine, (3, 3).
        depth: Most probable depth of the auxiliary branch in metres, (h', w'); None for models
            without that branch.
        depth2img: Cell of ``depth`` -> pixel of the original image, affine, (3, 3), or None.
    """

    scores: Tensor
    score2img: Tensor
    depth: Tensor | None = None
    depth2img: Tensor | None = None


def score_map(output: DenseOutput) -> Tensor:
    """Object scores of all levels on the cells of the finest one, the largest of them.

    Args:
        output: Output of the dense head.

    Returns:
        (B, h, w).
    """
    height, width = output.cls_logits[0].shape[-2:]
    maps = []
    for logits, centerness, stride in zip(output.cls_logits, output.centerness, output.strides):
        scores = (logits.sigmoid() * centerness.sigmoid()).sum(1)  # (B, h, w)
        factor = stride // output.strides[0]
        scores = scores.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
        maps.append(scores[:, :height, :width])
    return torch.stack(maps).amax(0)


def cell_to_image(geometry: ImageGeometry, stride: int) -> Tensor:
    """Cell of a map of this stride -> pixel of the original image, affine, (B, 3, 3)."""
    scale = torch.diag(geometry.img2net.new_tensor([stride, stride, 1]))
    return torch.linalg.inv(geometry.img2net) @ scale

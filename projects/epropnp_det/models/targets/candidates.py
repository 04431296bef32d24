"""Picks the (point, class) pairs of the dense head that deserve a pose (docs/method.md 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..precision import at_least_float32
from ..structures import DenseOutput, ObjectQueries
from .object_sampling import gather_queries
from .point_grid import point_grid


class Candidates(NamedTuple):
    """``n`` (point, class) pairs, image by image and best first, ties in order.

    Attributes:
        img_inds: Index of the image in the batch, (n,).
        point_inds: Index of the point in the order of ``PointGrid``, (n,).
        labels: Class indices, (n,).
        strides: Stride of the level of the point, (n,).
        scores: sigmoid(cls), without centerness, (n,).
    """

    img_inds: Tensor
    point_inds: Tensor
    labels: Tensor
    strides: Tensor
    scores: Tensor

    def queries(self, output: DenseOutput) -> ObjectQueries:
        """Reads the objects' embeddings and centres from an output on the same points."""
        return gather_queries(output, self.img_inds, self.point_inds, self.labels, self.strides)


def _flat_probs(maps: Sequence[Tensor]) -> Tensor:
    """Sigmoid of all levels in the order of ``PointGrid``, (B, P, C)."""
    probs = [at_least_float32(level).sigmoid().flatten(2) for level in maps]
    return torch.cat(probs, 2).transpose(1, 2)


def _top_per_image(scores: Tensor, img_inds: Tensor, num_imgs: int, limit: int) -> Tensor:
    """Indices of the best scores: image by image, best first, ties in order."""
    order = torch.sort(scores, descending=True, stable=True).indices
    order = order[torch.sort(img_inds[order], stable=True).indices]
    ordered = img_inds[order]
    counts = ordered.new_zeros(num_imgs).index_add(0, ordered, torch.ones_like(ordered))
    starts = counts.cumsum(0) - counts  # (B,)
    ranks = torch.arange(ordered.shape[0], device=ordered.device) - starts[ordered]
    return order[ranks < limit]


@torch.no_grad()
def find_candidates(
    output: DenseOutput, score_thr: float = 0.04, max_per_img: int = 256
) -> Candidates:
    """Keeps the best (point, class) pairs of each image.

    A pair is a candidate iff sigmoid(cls) * sigmoid(centerness) >= ``score_thr``; one point can
    give several. The cap holds per image, so an image's detections do not depend on its batch mates
    (docs/differences.md W24). Pairs with a NaN logit are never candidates.

    Args:
        output: Output of the dense head.
        score_thr: Smallest product of class and centerness probability.
        max_per_img: Cap of candidates per image.
    """
    cls_probs = _flat_probs(output.cls_logits)
    scores = cls_probs * _flat_probs(output.centerness)  # (B, P, classes)
    img_inds, point_inds, labels = (scores >= score_thr).nonzero(as_tuple=True)
    found = scores[img_inds, point_inds, labels]
    keep = _top_per_image(found, img_inds, scores.shape[0], max_per_img)
    img_inds, point_inds, labels = img_inds[keep], point_inds[keep], labels[keep]
    return Candidates(
        img_inds=img_inds,
        point_inds=point_inds,
        labels=labels,
        strides=point_grid(output.cls_logits, output.strides).strides[point_inds],
        scores=cls_probs[img_inds, point_inds, labels],
    )

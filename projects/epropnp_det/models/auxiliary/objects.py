"""The objects that the dense auxiliary branch looks at."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ..structures import GroundTruth, ObjectSamples

__all__ = ['SupervisedObjects', 'supervised_objects']


class SupervisedObjects(NamedTuple):
    """Ground-truth objects that got at least one sample, ``n`` of all images in one axis.

    Attributes:
        bboxes: 2D boxes x1 y1 x2 y2 in network pixels: the regions of interest, (n, 4).
        boxes3d: ``[l, h, w, x, y, z, yaw]`` in the camera frame, geometric centre, (n, 7).
        img_inds: Index of the image in the batch, (n,).
        query: Attention query with H heads, the mean over the object's samples, (n, H, c).
        dims: Predicted dimensions l, h, w in metres, likewise, without gradient, (n, 3).
    """

    bboxes: Tensor
    boxes3d: Tensor
    img_inds: Tensor
    query: Tensor
    dims: Tensor


def supervised_objects(
    samples: ObjectSamples, gt: GroundTruth, query: Tensor, dims: Tensor
) -> SupervisedObjects:
    """Averages what the samples of each object predict, by their weights (docs/method.md 2.6).

    Args:
        samples: ``s`` samples; their weights are positive.
        gt: Ground truth that they were drawn from.
        query: Attention query of each sample, (s, H, c).
        dims: Predicted dimensions of each sample, (s, 3).
    """
    gt_inds, rows = samples.gt_inds.unique(return_inverse=True)  # (n,), (s,)
    weights = samples.weights.to(query)
    totals = weights.new_zeros(len(gt_inds)).index_add(0, rows, weights)
    share = weights / totals[rows]  # (s,)

    def mean(values: Tensor) -> Tensor:
        weighted = values * share.view(-1, *[1] * (values.dim() - 1))
        return values.new_zeros(len(gt_inds), *values.shape[1:]).index_add(0, rows, weighted)

    return SupervisedObjects(
        bboxes=gt.bboxes[gt_inds].to(query),
        boxes3d=gt.boxes3d[gt_inds].to(query),
        img_inds=gt.img_inds[gt_inds],
        query=mean(query),
        dims=mean(dims.detach().to(query)),
    )

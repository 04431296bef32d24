"""What overlaps a better detection goes (same class) or counts less (another class).

Non-maximum suppression per (image, class): on projected 2D boxes, then in bird's-eye view.
"""

from __future__ import annotations

import torch
from mmcv.ops import batched_nms, nms_rotated
from mmdet.core import bbox_overlaps
from torch import Tensor

__all__ = ['bev_nms', 'class_shares', 'projected_nms']


def projected_nms(bboxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Axis-aligned NMS of projected boxes (docs/method.md 4.3, step 2).

    Args:
        bboxes: x1 y1 x2 y2, (n, 4).
        scores: (n,).
        groups: Boxes of different groups do not suppress each other, (n,).
        iou_threshold: Boxes that overlap a better one by more are dropped.

    Returns:
        Indices of the boxes that stay, best first.
    """
    if len(bboxes) == 0:
        return groups.new_zeros(0, dtype=torch.long)
    config = dict(type='nms', iou_threshold=iou_threshold)
    return batched_nms(bboxes.float(), scores.float(), groups, config)[1]


def bev_nms(boxes3d: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Rotated NMS of the boxes' ground-plane outlines (docs/method.md 4.3, step 3).

    Groups are moved apart instead of passed as labels, which mmcv's CPU kernel ignores; in float64,
    so that far-away groups lose no precision. A lone box is kept (docs/differences.md W1).

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, (n, 7), camera frame.
        scores: (n,).
        groups: As for :func:`projected_nms`, (n,).
        iou_threshold: Boxes that overlap a better one by more are dropped.

    Returns:
        Indices of the boxes that stay, best first.
    """
    if len(boxes3d) == 0:
        return groups.new_zeros(0, dtype=torch.long)
    # (x, z, l, w, angle): mmcv turns x towards the second axis, yaw turns x towards -z.
    outlines = torch.cat((boxes3d[:, [3, 5, 0, 2]], -boxes3d[:, 6:7]), dim=1).double()
    centers = outlines[:, :2]
    extent = (centers.amax(0) - centers.amin(0)).amax() + 2 * outlines[:, 2:4].amax()
    outlines[:, 0] += groups.double() * extent
    keep = nms_rotated(outlines, scores.double(), iou_threshold)[1]
    return keep[scores[keep].argsort(descending=True, stable=True)]


def class_shares(bboxes: Tensor, scores: Tensor, labels: Tensor, img_inds: Tensor) -> Tensor:
    """Share of each detection in what it and its strongest rival claim (docs/method.md 4.8).

    A rival is a detection of another class on the same pixels: one of both is wrong. Its squared
    score counts as far as the projected boxes overlap: who stands before a lorry is not its rival.

    Args:
        bboxes: x1 y1 x2 y2, (n, 4).
        scores: Not negative, (n,).
        labels: Class indices, (n,).
        img_inds: Index of the image in the batch, (n,).

    Returns:
        ``s^2 / (s^2 + max(IoU * rival^2))``, 1 without a rival, (n,).
    """
    if len(scores) == 0:
        return scores
    rivals = (labels[:, None] != labels) & (img_inds[:, None] == img_inds)
    claims = scores.square()
    claimed = (bbox_overlaps(bboxes, bboxes) * claims * rivals).amax(dim=1)
    return claims / (claims + claimed).clamp(min=torch.finfo(claims.dtype).tiny)

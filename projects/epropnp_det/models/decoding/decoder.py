"""Scores, attributes and suppression: solved poses become detections (method.md 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from epropnp_det.pnp import PnPResult

from ..structures import Correspondences, ImageGeometry, ObjectQueries
from .projection import project_boxes
from .suppression import bev_nms, projected_nms

__all__ = ['Detections', 'decode_detections']


class Detections(NamedTuple):
    """Detected objects of a batch, ``n`` of all images in one axis, best first.

    Attributes:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, camera frame, geometric centre, (n, 7).
        scores: Final scores, (n,).
        labels: Class indices, (n,).
        attributes: Attribute indices, legal for the class, (n,).
        velocities: Camera-frame velocity (x, z) in m/s, (n, 2).
        bboxes: Projected boxes x1 y1 x2 y2 in original pixels, (n, 4).
        cls_scores: Classification scores, (n,).
        pose_cov: Covariance of ``[x, y, z, yaw]``, (n, 4, 4).
        img_inds: Index of the image in the batch, (n,).
    """

    boxes3d: Tensor
    scores: Tensor
    labels: Tensor
    attributes: Tensor
    velocities: Tensor
    bboxes: Tensor
    cls_scores: Tensor
    pose_cov: Tensor
    img_inds: Tensor

    def select(self, keep: Tensor) -> Detections:
        """The detections that ``keep`` (bool mask or indices) names."""
        return Detections(*(field[keep] for field in self))


def decode_detections(
    queries: ObjectQueries,
    cls_scores: Tensor,
    correspondences: Correspondences,
    solution: PnPResult,
    geometry: ImageGeometry,
    class_attributes: Sequence[Sequence[int]] | None = None,
    nms_iou2d: float = 0.8,
    nms_iou_bev: float = 0.25,
    min_bbox_side: float = 4.0,
) -> Detections:
    """Turns solved candidates into detections.

    Args:
        queries: The candidates.
        cls_scores: Their classification scores, (n,).
        correspondences: What the correspondence head predicted for them.
        solution: Their 4DoF poses; candidates that are not ``valid`` are dropped.
        geometry: Cameras of the batch.
        class_attributes: Attribute indices each class may have; None allows all.
        nms_iou2d: Threshold of the NMS on projected boxes.
        nms_iou_bev: Threshold of the bird's-eye NMS.
        min_bbox_side: Projected boxes with a shorter side are dropped, in original pixels.

    Returns:
        Detections that survive, best first.
    """
    boxes3d = torch.cat((correspondences.dims, solution.pose), dim=1)
    bboxes = project_boxes(
        boxes3d, geometry.cam2img[queries.img_inds], geometry.img_size[queries.img_inds]
    )
    detections = Detections(
        boxes3d=boxes3d,
        scores=cls_scores * correspondences.score_logits.sigmoid(),
        labels=queries.labels,
        attributes=_best_attributes(correspondences.attr_logits, queries.labels, class_attributes),
        velocities=correspondences.velocities,
        bboxes=bboxes,
        cls_scores=cls_scores,
        pose_cov=solution.pose_cov,
        img_inds=queries.img_inds,
    )
    finite = boxes3d.isfinite().all(dim=1) & detections.scores.isfinite()
    large = (bboxes[:, 2:] - bboxes[:, :2]).amin(dim=1) >= min_bbox_side
    detections = detections.select(solution.valid & finite & large)
    detections = detections.select(
        projected_nms(detections.bboxes, detections.scores, _groups(detections), nms_iou2d)
    )
    return detections.select(
        bev_nms(detections.boxes3d, detections.scores, _groups(detections), nms_iou_bev)
    )


def _groups(detections: Detections) -> Tensor:
    """One number per (image, class), (n,)."""
    num_classes = int(detections.labels.max()) + 1 if len(detections.labels) else 1
    return detections.img_inds * num_classes + detections.labels


def _best_attributes(
    logits: Tensor, labels: Tensor, class_attributes: Sequence[Sequence[int]] | None
) -> Tensor:
    """Most likely attribute among those the class may have, (n,)."""
    if class_attributes is None:
        return logits.argmax(dim=1)
    allowed = torch.zeros(len(class_attributes), logits.shape[1], dtype=torch.bool)
    for label, attributes in enumerate(class_attributes):
        allowed[label, list(attributes)] = True
    allowed = allowed.to(logits.device)[labels]  # (n, A)
    return logits.masked_fill(~allowed, float('-inf')).argmax(dim=1)

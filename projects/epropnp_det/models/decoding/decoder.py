"""Scores, attributes and suppression: solved poses become detections (docs/method.md 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from epropnp_det.pnp import MonteCarloResult, PnPResult

from ...boxes.tensors import project_boxes
from ..losses import distance_score
from ..structures import Correspondences, ImageGeometry
from ..targets import Candidates
from .detections import Detections
from .ground import Ground, stand_on_ground
from .suppression import bev_nms, class_shares, projected_nms

__all__ = ['decode_detections', 'posterior_score', 'turned']


def posterior_score(solution: MonteCarloResult) -> Tensor:
    """Expected distance score of the poses under their own posterior (docs/method.md 4.2).

    Args:
        solution: Poses and weighted samples of ``n`` objects.

    Returns:
        In [0, 1]: how surely the position is right, (n,).
    """
    deviation = (solution.samples - solution.pose)[..., [0, 2]].norm(dim=-1)  # (S, n)
    return (solution.log_weights.softmax(0) * distance_score(deviation)).sum(0)


def turned(solution: PnPResult | MonteCarloResult, turns: Tensor) -> PnPResult | MonteCarloResult:
    """Poses and samples with other yaws.

    Args:
        solution: Poses of ``n`` objects.
        turns: What is added to the yaw of each, (n,).
    """
    turn = torch.nn.functional.pad(turns[:, None], (3, 0))  # of x, y, z and yaw
    fields = dict(pose=solution.pose + turn)
    if isinstance(solution, MonteCarloResult):
        fields.update(samples=solution.samples + turn)
    return solution._replace(**fields)


def decode_detections(
    candidates: Candidates,
    correspondences: Correspondences,
    solution: PnPResult | MonteCarloResult,
    geometry: ImageGeometry,
    class_attributes: Sequence[Sequence[int]] | None = None,
    nms_iou2d: float = 0.8,
    nms_iou_bev: float = 0.25,
    min_bbox_side: float = 4.0,
    mc_score_ratio: float = 0.0,
    class_rivalry: float = 0.0,
    ground: Ground | None = None,
    pixel_center: float = 0.5,
    with_points: bool = False,
) -> Detections:
    """Turns solved candidates into detections.

    Args:
        candidates: Image, class and classification score of ``n`` objects.
        correspondences: What the correspondence head predicted for them.
        solution: Their 4DoF poses; candidates that are not ``valid`` are dropped.
        geometry: Cameras of the batch.
        class_attributes: Attribute indices each class may have; None allows all.
        nms_iou2d: Threshold of the NMS on projected boxes.
        nms_iou_bev: Threshold of the bird's-eye NMS.
        min_bbox_side: Projected boxes with a shorter side are dropped, in original pixels.
        mc_score_ratio: Share ``a`` of the posterior in the 3D score,
            ``predicted^(1 - a) * posterior_score^a``; needs Monte Carlo samples unless 0.
        class_rivalry: Power of the :func:`class_shares` in the scores; 0, as published: detections
            of different classes do not know each other.
        ground: Objects stand on the ground as ``geometry`` has it, see :func:`stand_on_ground`;
            None, as published: anywhere.
        pixel_center: As for :func:`project_boxes`.
        with_points: Whether detections keep their correspondences.

    Returns:
        Detections that survive, best first.
    """
    scores3d = correspondences.score_logits.sigmoid()
    if isinstance(solution, MonteCarloResult):
        scores3d = scores3d ** (1 - mc_score_ratio) * posterior_score(solution) ** mc_score_ratio
    boxes3d = torch.cat((correspondences.dims, solution.pose), dim=1)
    bboxes = project_boxes(
        boxes3d,
        geometry.cam2img[candidates.img_inds],
        geometry.img_size[candidates.img_inds],
        pixel_center=pixel_center,
    )
    detections = Detections(
        boxes3d=boxes3d,
        scores=candidates.scores * scores3d,
        labels=candidates.labels,
        attributes=_best_attributes(
            correspondences.attr_logits, candidates.labels, class_attributes
        ),
        velocities=correspondences.velocities,
        bboxes=bboxes,
        cls_scores=candidates.scores,
        pose_cov=solution.pose_cov,
        img_inds=candidates.img_inds,
        **_extras(solution, correspondences if with_points else None),
    )
    finite = boxes3d.isfinite().all(dim=1) & detections.scores.isfinite()
    large = (bboxes[:, 2:] - bboxes[:, :2]).amin(dim=1) >= min_bbox_side
    found = detections.select(solution.valid & finite & large)
    found = found.select(projected_nms(found.bboxes, found.scores, _groups(found), nms_iou2d))
    if ground is not None and geometry.ground_planes is not None:
        found = stand_on_ground(found, geometry.ground_planes, ground)
    if class_rivalry > 0:
        shares = class_shares(found.bboxes, found.scores, found.labels, found.img_inds)
        found = found._replace(scores=found.scores * shares**class_rivalry)
    return found.select(bev_nms(found.boxes3d, found.scores, _groups(found), nms_iou_bev))


def _extras(
    solution: PnPResult | MonteCarloResult, points: Correspondences | None
) -> dict[str, Tensor]:
    """Fields that only some detections have: of a posterior, and points."""
    fields = {}
    if isinstance(solution, MonteCarloResult):
        fields.update(
            samples=solution.samples.transpose(0, 1),
            log_weights=solution.log_weights.t(),
            ess=solution.ess,
        )
    if points is not None:
        fields.update(x3d=points.x3d, x2d=points.x2d, w2d=points.w2d)
    return fields


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

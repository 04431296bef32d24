"""What the data set says of a batch, joined from mmdet3d's lists of one entry per image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...boxes.instances import boxes3d_from_instance, join_instances, velocities_from_instance
from ..structures import GroundTruth, ImageGeometry, as_indices
from .volume_center import volume_centers

__all__ = ['collect_ground_truth', 'ignored_regions', 'visible_objects']

MIN_VOLUME = 1e-6
"""Objects with less total thickness in the canvas are not visible (docs/method.md 2.3)."""


def collect_ground_truth(
    gt_bboxes: Sequence[Tensor],
    gt_labels: Sequence[Tensor],
    gt_bboxes_3d: Sequence,
    attr_labels: Sequence[Tensor] | None,
    num_classes: int,
    device: torch.device,
) -> GroundTruth:
    """Concatenates the lists of a batch, unknown classes left out.

    Args:
        gt_bboxes: 2D boxes x1 y1 x2 y2 in network pixels, (G, 4) per image.
        gt_labels: Class indices, (G,) per image.
        gt_bboxes_3d: ``CameraInstance3DBoxes`` per image, with velocity where it is known.
        attr_labels: Attribute indices, (G,) per image; None where nobody knows, which makes 0.
        num_classes: Labels from 0 up to this are known.
        device: Where the result lies.
    """
    boxes = join_instances(gt_bboxes_3d).to(device)
    if attr_labels is None:
        attr_labels = [torch.zeros_like(labels) for labels in gt_labels]
    gt = GroundTruth(
        bboxes=torch.cat(list(gt_bboxes)).to(device),
        labels=torch.cat(list(gt_labels)).to(device),
        boxes3d=boxes3d_from_instance(boxes),
        velocities=velocities_from_instance(boxes),
        attributes=torch.cat(list(attr_labels)).to(device),
        img_inds=_image_indices(gt_labels, device),
    )
    return gt.select((gt.labels >= 0) & (gt.labels < num_classes))


def visible_objects(
    gt: GroundTruth, geometry: ImageGeometry, stride: int, min_bbox_side: float
) -> tuple[GroundTruth, Tensor]:
    """Objects that the network can see.

    Args:
        gt: Of all objects.
        geometry: Of the images; ``img2net`` is of the pixels that cameras project to.
        stride: Output stride in network pixels.
        min_bbox_side: Shortest side of a 2D box, network pixels.

    Returns:
        Those objects, and their volume centres in network pixels, (G, 2).
    """
    found = volume_centers(
        gt.boxes3d,
        geometry.cam2img[gt.img_inds],
        geometry.img2net[gt.img_inds],
        geometry.net_size[gt.img_inds],
        stride=stride,
    )
    large = (gt.bboxes[:, 2:] - gt.bboxes[:, :2]).amin(dim=1) >= min_bbox_side
    keep = as_indices((found.volume > MIN_VOLUME) & large)
    return gt.select(keep), found.centers[keep]


def ignored_regions(bboxes: Sequence[Tensor] | None, like: Tensor) -> dict[str, Tensor]:
    """Arguments of the dense head's ``get_targets``.

    Args:
        bboxes: 2D boxes that are neither object nor background, (M, 4) per image; None for none.
        like: Whose device and type the result has.
    """
    if bboxes is None:
        return {}
    inds = _image_indices(bboxes, like.device)
    return dict(ignore_bboxes=torch.cat(list(bboxes)).to(like), ignore_img_inds=inds)


def _image_indices(rows_per_image: Sequence[Tensor], device: torch.device) -> Tensor:
    """Index of the image of each row of the concatenated lists, (n,)."""
    counts = [len(rows) for rows in rows_per_image]
    images = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return images.to(device)  # known here, so no device is asked for the number of rows

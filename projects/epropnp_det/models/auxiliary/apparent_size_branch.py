"""Teaches early how large an object appears, which tells its distance; training only.

A distance is as good as the ratio of object-frame to image coordinates. The pose loss asks for it
through all points of an object at once; this branch asks the embedding, which places the points.
No box is made of its answer.
"""

from __future__ import annotations

import torch
from mmdet3d.models.builder import HEADS
from torch import Tensor

from ..correspondence import SampledObjects
from ..structures import GroundTruth, ImageGeometry, ObjectSamples
from .linear_branch import LinearBranch

__all__ = ['ApparentSizeBranch', 'apparent_height']


def apparent_height(boxes3d: Tensor, cam2img: Tensor, img2net: Tensor) -> Tensor:
    """Height of objects at the depth of their centres, in network pixels, (n,).

    Truncation and occlusion change nothing; zooming the image changes it as it changes the pixels.

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, camera frame, (n, 7); at 0.1 m at least.
        cam2img: Intrinsics of the original image of each, (n, 3, 3).
        img2net: Original pixel -> network pixel of each, affine, (n, 3, 3).
    """
    focal_length = cam2img[:, 1, 1] * img2net[:, :2, 1].norm(dim=1)
    return focal_length * boxes3d[:, 1] / boxes3d[:, 5].clamp(min=0.1)


@HEADS.register_module()
class ApparentSizeBranch(LinearBranch):
    """A linear layer from the embedding to the log of the height in cells, and its loss.

    Cells are those of the pyramid level that the embedding comes from, so that all levels, which
    share their towers, answer the same question.
    """

    num_answers = 1
    loss_name = 'loss_apparent_size'

    def ask(
        self,
        sampled: SampledObjects,
        samples: ObjectSamples,
        gt: GroundTruth,
        geometry: ImageGeometry,
    ) -> tuple[Tensor, Tensor]:
        """See :class:`LinearBranch`."""
        queries = samples.queries
        height = apparent_height(
            gt.boxes3d[samples.gt_inds],
            geometry.cam2img[queries.img_inds],
            geometry.img2net[queries.img_inds],
        )
        target = torch.log(height / queries.strides)[:, None]
        return self.branch(queries.embeddings.to(target.dtype)), target

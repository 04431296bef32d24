"""Teaches early which end of an object is its front; training only.

The pose loss sees a wrong end as two separate modes of the posterior and has to learn features that
tell them apart through a solver. This branch asks the object feature directly. No box is made of
its answer.
"""

from __future__ import annotations

import torch
from mmdet3d.models.builder import HEADS
from torch import Tensor
from torch.nn.functional import normalize

from ..correspondence import SampledObjects
from ..correspondence.image_transform import mirror
from ..structures import GroundTruth, ImageGeometry, ObjectSamples
from .linear_branch import LinearBranch

__all__ = ['HeadingBranch', 'sight_heading']


def sight_heading(pose: Tensor) -> Tensor:
    """Forward direction against the line of sight: its parts to the right and away, unit (n, 2).

    What an image shows of an object's heading is this direction, not its yaw, and mirroring the
    image negates the first part.

    Args:
        pose: ``[x, y, z, yaw]``, (n, 4); the forward axis is ``(cos yaw, 0, -sin yaw)``.
    """
    sight = normalize(pose[:, [0, 2]], dim=1)
    forward = torch.stack([pose[:, 3].cos(), -pose[:, 3].sin()], dim=1)
    right = torch.stack([sight[:, 1], -sight[:, 0]], dim=1)
    return torch.stack([(forward * right).sum(1), (forward * sight).sum(1)], dim=1)


@HEADS.register_module()
class HeadingBranch(LinearBranch):
    """A linear layer from the object feature to the forward direction, and its loss."""

    num_answers = 2
    loss_name = 'loss_heading'

    def ask(
        self,
        sampled: SampledObjects,
        samples: ObjectSamples,
        gt: GroundTruth,
        geometry: ImageGeometry,
    ) -> tuple[Tensor, Tensor]:
        """See :class:`LinearBranch`."""
        flipped = geometry.flipped[samples.queries.img_inds]
        predicted = mirror(self.branch(sampled.feature), 0, flipped)
        return predicted, sight_heading(gt.boxes3d[samples.gt_inds, 3:])

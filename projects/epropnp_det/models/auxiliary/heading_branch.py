"""Teaches early which end of an object is its front; training only.

The pose loss sees a wrong end as two separate modes of the posterior and has to learn features that
tell them apart through a solver. This branch asks the object feature directly. No box is made of
its answer.
"""

from __future__ import annotations

import torch
from mmcv.runner import BaseModule
from mmdet3d.models.builder import HEADS, build_loss
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..correspondence import SampledObjects
from ..correspondence.image_transform import mirror
from ..structures import GroundTruth, ImageGeometry, ObjectSamples

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
class HeadingBranch(BaseModule):
    """A linear layer from the object feature to the forward direction, and its loss.

    Args:
        embed_dims: Channels of the object feature.
        loss: Config of a regression loss.
        init_cfg: Initialisation config of mmcv.
    """

    def __init__(self, embed_dims: int, loss: dict, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.branch = nn.Linear(embed_dims, 2)
        self.loss = build_loss(loss)

    def forward(
        self,
        sampled: SampledObjects,
        samples: ObjectSamples,
        gt: GroundTruth,
        geometry: ImageGeometry,
        num_requested: int,
    ) -> dict[str, Tensor]:
        """The loss of ``n`` samples, by name.

        Args:
            sampled: What the correspondence head read for them.
            samples: Which object each is of, and its weight.
            gt: Ground truth of the batch.
            geometry: Cameras of the batch.
            num_requested: Number of samples asked for, the divisor.
        """
        flipped = geometry.flipped[samples.queries.img_inds]
        predicted = mirror(self.branch(sampled.feature), 0, flipped)
        target = sight_heading(gt.boxes3d[samples.gt_inds, 3:])
        weight = samples.weights[:, None].expand(-1, 2)
        return {'loss_heading': self.loss(predicted, target, weight, avg_factor=2 * num_requested)}

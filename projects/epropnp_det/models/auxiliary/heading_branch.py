"""Teaches early which end of an object is its front, and may say so at test time.

The pose loss sees a wrong end as two separate modes of the posterior and has to learn features that
tell them apart through a solver. This branch asks the object feature directly. Its answer can join
that of the solver (docs/method.md 4.7); as published, no box is made of it.
"""

from __future__ import annotations

import math

import torch
from mmdet3d.models.builder import HEADS
from torch import Tensor
from torch.nn.functional import normalize

from ..correspondence import SampledObjects
from ..correspondence.image_transform import mirror
from ..structures import GroundTruth, ImageGeometry, ObjectQueries, ObjectSamples
from .linear_branch import LinearBranch

__all__ = ['HeadingBranch', 'join_headings', 'sight_heading']


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


def join_headings(pose: Tensor, heading: Tensor, weight: float, front_only: bool = False) -> Tensor:
    """By how much poses turn if their heading is the mean of theirs and another one, (n,).

    The solver knows well along which line an object lies, and at times takes its back for its
    front. A heading that was regressed in little time knows the front better and the line less:
    then it had better decide about the front only.

    Args:
        pose: ``[x, y, z, yaw]``, (n, 4).
        heading: Direction against the line of sight as of :func:`sight_heading`, as long as it is
            certain, (n, 2).
        weight: What a unit heading counts beside the pose's own.
        front_only: Whether a pose only turns round, by pi, where the mean lies behind it.
    """
    own = sight_heading(pose)
    joined = own + weight * heading
    ahead = (own * joined).sum(1)
    if front_only:
        return (ahead < 0).to(pose) * math.pi
    # Both are seen from above with x to the right, and yaw turns x towards -z.
    return torch.atan2(own[:, 1] * joined[:, 0] - own[:, 0] * joined[:, 1], ahead)


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
        predicted = self.answer(sampled, samples.queries, geometry)
        return predicted, sight_heading(gt.boxes3d[samples.gt_inds, 3:])

    def answer(
        self, sampled: SampledObjects, queries: ObjectQueries, geometry: ImageGeometry
    ) -> Tensor:
        """Forward directions against the line of sight, shorter where they are unsure, (n, 2)."""
        return mirror(self.branch(sampled.feature), 0, geometry.flipped[queries.img_inds])

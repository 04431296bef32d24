"""What the training-only linear layers share: weights of the samples, and the divisor."""

from __future__ import annotations

from mmcv.runner import BaseModule
from mmdet3d.models.builder import build_loss
from torch import Tensor, nn

from ..correspondence import SampledObjects
from ..structures import GroundTruth, ImageGeometry, ObjectSamples


class LinearBranch(BaseModule):
    """One linear layer that is asked for what is known of each object, and its loss.

    A subclass names the loss and the number of answers, and says what is asked in :meth:`ask`.

    Args:
        embed_dims: Channels of the feature that is read.
        loss: Config of a regression loss.
        init_cfg: Initialisation config of mmcv.
    """

    num_answers: int
    loss_name: str

    def __init__(self, embed_dims: int, loss: dict, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.branch = nn.Linear(embed_dims, self.num_answers)
        self.loss = build_loss(loss)

    def ask(
        self,
        sampled: SampledObjects,
        samples: ObjectSamples,
        gt: GroundTruth,
        geometry: ImageGeometry,
    ) -> tuple[Tensor, Tensor]:
        """Answers and what is true, both (n, num_answers); arguments as for :meth:`forward`."""
        raise NotImplementedError

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
            num_requested: Number of samples asked for; times the answers, the divisor.
        """
        predicted, target = self.ask(sampled, samples, gt, geometry)
        weight = samples.weights[:, None].expand_as(target)
        total = self.num_answers * num_requested
        return {self.loss_name: self.loss(predicted, target, weight, avg_factor=total)}

"""Losses of the sampled objects, above all that of the pose distribution."""

from __future__ import annotations

from typing import Callable, NamedTuple

import torch
from mmcv.runner import BaseModule
from mmdet.core import reduce_mean
from mmdet3d.models.builder import LOSSES, build_loss
from torch import Tensor

from epropnp_det.pnp import PerspectiveCamera

from ..structures import Correspondences, GroundTruth, ObjectSamples

__all__ = ['ObjectLosses', 'SampledObjects', 'distance_score']


def distance_score(distance: Tensor) -> Tensor:
    """Soft score of a bird's-eye distance error: 1 up to 0.354 m, 0 from 5.66 m on.

    Source: docs/method.md 3.2.

    A smooth stand-in for the share of nuScenes' thresholds 0.5, 1, 2 and 4 m that would be met.

    Args:
        distance: Distance errors in metres, any shape.

    Returns:
        Scores in [0, 1], same shape.
    """
    return ((2.5 - distance.clamp(min=1e-6).log2()) / 4).clamp(min=0, max=1)


class PoseTargets(NamedTuple):
    """Ground truth of ``n`` samples.

    Attributes:
        dims: Length, height, width in metres, (n, 3).
        pose: ``[x, y, z, yaw]``, (n, 4).
        labels: Class indices, (n,).
        velocities: Camera-frame velocity (x, z) in m/s, NaN where unknown, (n, 2).
        attributes: Attribute indices, (n,).
    """

    dims: Tensor
    pose: Tensor
    labels: Tensor
    velocities: Tensor
    attributes: Tensor

    @classmethod
    def gather(cls, gt: GroundTruth, gt_inds: Tensor) -> PoseTargets:
        """The rows of ``gt`` that the samples were drawn from."""
        boxes = gt.boxes3d[gt_inds]
        return cls(
            dims=boxes[:, :3],
            pose=boxes[:, 3:],
            labels=gt.labels[gt_inds],
            velocities=gt.velocities[gt_inds],
            attributes=gt.attributes[gt_inds],
        )


class SampledObjects(NamedTuple):
    """What the losses of ``n`` samples look at.

    Attributes:
        camera: Camera of each sample.
        correspondences: Predictions.
        samples: Which object each sample belongs to, and its weights.
        target: Ground truth of each sample.
        num_requested: Number of samples asked for, the divisor of most losses.
    """

    camera: PerspectiveCamera
    correspondences: Correspondences
    samples: ObjectSamples
    target: PoseTargets
    num_requested: int


@LOSSES.register_module()
class ObjectLosses(BaseModule):
    """All losses of the sampled objects.

    Source: docs/method.md 3.2; EPro-PnP paper, sections 3.1, 3.4 and 5.2.

    Every entry is a loss config; a loss whose config is None is not computed. A subclass adds its
    own in :meth:`further_losses`.

    Args:
        loss_dim: On encoded dimensions.
        loss_pose: Monte Carlo pose loss, the KL divergence to the true pose.
        loss_score: Binary cross-entropy of the 3D score with a soft distance target.
        loss_reg_pos: On the distance of ``y* + dy`` to the true position (derivative
            regularisation).
        loss_reg_orient: On the yaw of ``y* + dy``.
        loss_velo: On velocities; objects of unknown velocity do not count.
        loss_attr: Cross-entropy of attributes.
        detach_derivative: Whether derivative regularisation sends no gradient into dimensions,
            weight scale and Huber threshold, only into coordinates, relative weights and 2D points
            (v1, v1b).
    """

    def __init__(
        self,
        loss_dim: dict | None = None,
        loss_pose: dict | None = None,
        loss_score: dict | None = None,
        loss_reg_pos: dict | None = None,
        loss_reg_orient: dict | None = None,
        loss_velo: dict | None = None,
        loss_attr: dict | None = None,
        detach_derivative: bool = False,
    ) -> None:
        super().__init__()
        self.detach_derivative = detach_derivative

        def build(config: dict | None) -> torch.nn.Module | None:
            return None if config is None else build_loss(config)

        self.loss_dim = build(loss_dim)
        self.loss_pose = build(loss_pose)
        self.loss_score = build(loss_score)
        self.loss_reg_pos = build(loss_reg_pos)
        self.loss_reg_orient = build(loss_reg_orient)
        self.loss_velo = build(loss_velo)
        self.loss_attr = build(loss_attr)

    def forward(
        self,
        pnp: torch.nn.Module,
        camera: PerspectiveCamera,
        correspondences: Correspondences,
        samples: ObjectSamples,
        gt: GroundTruth,
        encode_dims: Callable[[Tensor, Tensor], Tensor],
        num_requested: int,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Computes the losses.

        Args:
            pnp: The EPro-PnP layer.
            camera: Camera of each sample.
            correspondences: Predictions for the ``n`` samples.
            samples: Which object each sample belongs to, and its weights.
            gt: Ground truth of the batch.
            encode_dims: Maps dimensions (n, 3) and labels (n,) to the space of ``encoded_dims``.
            num_requested: Number of samples asked for, the divisor of most losses.
            generator: Source of the solver's and the Monte Carlo draws.

        Returns:
            Losses by name, and the metrics ``mean_distance`` (m) and ``ess`` (share of samples).
        """
        target = PoseTargets.gather(gt, samples.gt_inds)
        objects = SampledObjects(camera, correspondences, samples, target, num_requested)
        return {
            **self._attribute_losses(objects, encode_dims),
            **self._pose_losses(objects, pnp, generator),
            **self.further_losses(objects),
        }

    def further_losses(self, objects: SampledObjects) -> dict[str, Tensor]:
        """Losses by name that a subclass adds; none here."""
        return {}

    def _attribute_losses(
        self, objects: SampledObjects, encode_dims: Callable[[Tensor, Tensor], Tensor]
    ) -> dict[str, Tensor]:
        losses = {}
        pred, target, num_requested = objects.correspondences, objects.target, objects.num_requested
        weights = objects.samples.weights
        if self.loss_dim is not None:
            losses['loss_dim'] = self.loss_dim(
                pred.encoded_dims,
                encode_dims(target.dims, target.labels),
                weight=weights[:, None].expand(-1, 3),
                avg_factor=3 * num_requested,
            )
        if self.loss_velo is not None:
            known = target.velocities.isfinite().all(dim=1, keepdim=True)
            velocity_weights = (weights[:, None] * known).expand(-1, 2)
            losses['loss_velo'] = self.loss_velo(
                pred.velocities,
                torch.where(known, target.velocities, torch.zeros_like(target.velocities)),
                weight=velocity_weights,
                avg_factor=reduce_mean(velocity_weights.sum()).clamp(min=1),
            )
        if self.loss_attr is not None:
            losses['loss_attr'] = self.loss_attr(
                pred.attr_logits, target.attributes, weight=weights, avg_factor=num_requested
            )
        return losses

    def _pose_losses(
        self, objects: SampledObjects, pnp: torch.nn.Module, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        losses = {}
        camera, pred, samples, target, num_requested = objects
        points = (pred.x3d, pred.x2d, pred.w2d, camera)
        # Both solves start from one random-sample solution, which costs more than either
        # (docs/differences.md W46).
        hypothesis = pnp.initialize(*points, generator=generator)
        if self.loss_pose is not None:
            monte_carlo = pnp.monte_carlo_forward(
                *points, pose_init=target.pose, generator=generator, hypothesis=hypothesis
            )
            scale = pred.scale.detach() * samples.weights[:, None]
            losses['loss_pose'] = self.loss_pose(
                monte_carlo.log_weights,
                monte_carlo.cost_target,
                scale.sum() / max(scale.numel(), 1),
                weight=samples.weights,
                avg_factor=num_requested,
            )
            losses['ess'] = _mean(monte_carlo.ess / monte_carlo.log_weights.shape[0])
        # The score must judge what inference will find, so this solve never sees the true pose.
        if self.detach_derivative:
            pnp, points = _constant_threshold(pnp), (*_constant_sizes(pred), camera)
        solution = pnp(*points, with_pose_plus=True, hypothesis=hypothesis)
        error = (solution.pose[:, [0, 2]] - target.pose[:, [0, 2]]).norm(dim=1)
        losses['mean_distance'] = _mean(error * samples.weights)
        if self.loss_score is not None:
            losses['loss_score'] = self.loss_score(
                pred.score_logits[:, None],
                distance_score(error)[:, None],
                weight=samples.uniform_weights[:, None],
                avg_factor=num_requested,
            )
        losses.update(
            self._derivative_losses(
                solution.pose_plus, target.pose, samples.weights * solution.valid, num_requested
            )
        )
        return losses

    def _derivative_losses(
        self, pose_plus: Tensor, pose: Tensor, weights: Tensor, num_requested: int
    ) -> dict[str, Tensor]:
        losses = {}
        if self.loss_reg_pos is not None:
            # sqrt has no gradient at zero, hence the floor far below any real error.
            distance = (pose_plus[:, :3] - pose[:, :3]).square().sum(dim=1).clamp(min=1e-12).sqrt()
            losses['loss_reg_pos'] = self.loss_reg_pos(
                distance, torch.zeros_like(distance), weight=weights, avg_factor=num_requested
            )
        if self.loss_reg_orient is not None:
            losses['loss_reg_orient'] = self.loss_reg_orient(
                pose_plus[:, 3], pose[:, 3], weight=weights, avg_factor=num_requested
            )
        return losses


class _ConstantThreshold(torch.nn.Module):
    """A robust cost whose threshold carries no gradient."""

    def __init__(self, cost: torch.nn.Module) -> None:
        super().__init__()
        self.cost = cost

    def forward(self, *args: Tensor) -> Tensor:
        return self.cost(*args).detach()


def _constant_threshold(pnp: torch.nn.Module) -> torch.nn.Module:
    """The same layer with a Huber threshold that carries no gradient."""
    return type(pnp)(
        mc_samples=pnp.mc_samples,
        num_iter=pnp.num_iter,
        normalize=pnp.normalize,
        cost=_ConstantThreshold(pnp.cost),
        solver=pnp.solver,
        init_solver=pnp.init_solver,
    )


def _constant_sizes(pred: Correspondences) -> tuple[Tensor, Tensor, Tensor]:
    """Points and weights whose dimensions and scale carry no gradient."""
    constant = pred._replace(dims=pred.dims.detach(), scale=pred.scale.detach())
    return constant.x3d, constant.x2d, constant.w2d


def _mean(values: Tensor) -> Tensor:
    """Mean that is zero, not NaN, over nothing; a metric, so without gradient."""
    return values.detach().sum() / max(values.numel(), 1)

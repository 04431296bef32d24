"""The dense auxiliary losses of training: reprojection, object coordinates and depth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.runner import BaseModule
from mmdet.core import reduce_mean
from mmdet.utils import get_root_logger
from mmdet3d.models.builder import HEADS, build_loss
from torch import Tensor

from epropnp_det.pnp import PerspectiveCamera

from ..losses import MixtureNLLLoss
from ..precision import at_least_float32
from ..structures import DenseFeatures, GroundTruth, ImageGeometry, ObjectSamples
from .depth_branch import DepthBranch
from .lidar_points import CellTargets, LidarPoints, cell_targets
from .objects import SupervisedObjects, supervised_objects
from .roi_branch import RoIBranch, RoIPrediction

__all__ = ['AuxiliaryHead', 'encode_reprojection_error']

MIN_DEPTH = 0.1
ERROR_SCALE = 0.2


def encode_reprojection_error(error: Tensor, boxes3d: Tensor, cam2img: Tensor) -> Tensor:
    """Reprojection errors in fifths of the object's size, whatever its distance.

    Source: docs/method.md 3.2.

    Args:
        error: Pixels, (n, ..., 2).
        boxes3d: ``[l, h, w, x, y, z, yaw]`` of each object, (n, 7).
        cam2img: Intrinsics of each object's image, (n, 3, 3).

    Returns:
        ``error * max(z, 0.1) / (mean(l, h, w) * fx * 0.2)``, same shape.
    """
    depth = boxes3d[:, 5].clamp(min=MIN_DEPTH)
    scale = depth / (boxes3d[:, :3].mean(dim=1) * cam2img[:, 0, 0] * ERROR_SCALE)
    return error * scale.view(-1, *[1] * (error.dim() - 1))


@HEADS.register_module()
class AuxiliaryHead(BaseModule):
    """Dense supervision of the maps and queries of the correspondence head (docs/method.md 2.6, 8).

    A loss whose config is None is not computed, and has no parameters. ``loss_regr`` and
    ``loss_depth`` need LiDAR; in batches without a point they are zero. All is computed in float32
    at least, also under autocast: pixels and metres need it.

    Args:
        embed_dims: Channels of keys and values.
        num_heads: Attention heads.
        roi_size: Cells per side of a region of interest: 28 (v1) or 14 (v1b, v2).
        depth_modes: Modes of the depth mixture.
        loss_proj: Config of the reprojection mixture, with predicted deviations.
        loss_regr: Config of the coordinate loss: a ``MixtureNLLLoss`` with ``init_sigma`` (v2), or
            a loss of the error's norm, which every head bears by its attention (v1).
        loss_depth: Config of the depth mixture, with ``init_sigma``.
        init_cfg: Initialisation config of mmcv.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        roi_size: int = 14,
        depth_modes: int = 4,
        loss_proj: dict | None = None,
        loss_regr: dict | None = None,
        loss_depth: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)

        def build(config: dict | None) -> torch.nn.Module | None:
            return None if config is None else build_loss(config)

        self.loss_proj = build(loss_proj)
        self.loss_regr = build(loss_regr)
        self.loss_depth = build(loss_depth)
        uses_rois = loss_proj is not None or loss_regr is not None
        self.roi_branch = RoIBranch(embed_dims, num_heads, roi_size) if uses_rois else None
        self.depth_branch = None if loss_depth is None else DepthBranch(embed_dims, depth_modes)
        self._told_of_no_lidar = False

    def forward(
        self,
        features: DenseFeatures,
        samples: ObjectSamples,
        query: Tensor,
        dims: Tensor,
        gt: GroundTruth,
        camera: PerspectiveCamera,
        geometry: ImageGeometry,
        lidar_points: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Computes the losses of a batch of ``B`` images.

        Args:
            features: Dense maps of the correspondence head.
            samples: ``s`` object samples; s may be zero.
            query: Attention query of each sample, (s, H, c).
            dims: Predicted dimensions of each sample in metres, (s, 3); they get no gradient.
            gt: Ground truth of the batch.
            camera: Cameras of the images.
            geometry: Likewise; ``img2net`` must take the pixels that ``camera`` projects to.
            lidar_points: x, y, z in the camera frame and u, v in original pixels, (P, 5) per image.

        Returns:
            ``loss_proj``, ``loss_regr`` and ``loss_depth``, as configured.
        """
        with torch.autocast(features.key.device.type, enabled=False):
            features = features._replace(
                key=at_least_float32(features.key), value=at_least_float32(features.value)
            )
            points = self._lidar(lidar_points, geometry)
            losses = {}
            if self.roi_branch is not None:
                objects = supervised_objects(samples, gt, at_least_float32(query), dims)
                losses.update(self._roi_losses(features, objects, points, camera, geometry))
            if self.depth_branch is not None:
                losses['loss_depth'] = self._depth_loss(features, points, geometry)
            return losses

    def _roi_losses(
        self,
        features: DenseFeatures,
        objects: SupervisedObjects,
        points: LidarPoints,
        camera: PerspectiveCamera,
        geometry: ImageGeometry,
    ) -> dict[str, Tensor]:
        losses = {}
        prediction = self.roi_branch(features, objects, geometry)
        if self.loss_proj is not None:
            losses['loss_proj'] = self._reprojection_loss(prediction, objects, camera)
        if self.loss_regr is not None:
            target = cell_targets(points, objects, self.roi_branch.size)
            losses['loss_regr'] = self._coordinate_loss(prediction, objects, target)
        return losses

    def _lidar(self, points: Sequence[Tensor] | None, geometry: ImageGeometry) -> LidarPoints:
        if points is None:
            points = [geometry.cam2img.new_zeros(0, 5)] * len(geometry.cam2img)
        needed = self.loss_regr is not None or self.loss_depth is not None
        if needed and not self._told_of_no_lidar and not any(len(rows) for rows in points):
            self._told_of_no_lidar = True
            get_root_logger().warning(
                'no LiDAR points: loss_regr and loss_depth are zero. They need lidar_path and '
                'lidar2cam in the annotation file (tools/prepare_nuscenes.py), and the pipeline '
                'step LoadLidarMono3D with the key lidar_points collected'
            )
        return LidarPoints.pad(points, geometry)

    def _reprojection_loss(
        self, prediction: RoIPrediction, objects: SupervisedObjects, camera: PerspectiveCamera
    ) -> Tensor:
        camera = camera[objects.img_inds]
        x3d = (prediction.noc * objects.dims[:, None, None]).flatten(1, 2)  # (n, M * H, 3)
        projected = camera.project(x3d, objects.boxes3d[:, 3:])
        projected = projected.view(*prediction.noc.shape[:3], 2)  # (n, M, H, 2)
        error = encode_reprojection_error(
            projected - prediction.x2d[:, :, None], objects.boxes3d, camera.cam2img
        )
        num_cells = reduce_mean(error.new_full((), error.shape[0])) * error.shape[1]
        return self.loss_proj(
            error,
            prediction.shared_log_probs,
            prediction.log_sigma,
            avg_factor=num_cells.clamp(min=1),
            combine=prediction.combine,
        )

    def _coordinate_loss(
        self, prediction: RoIPrediction, objects: SupervisedObjects, target: CellTargets
    ) -> Tensor:
        x3d = prediction.noc * objects.dims[:, None, None]  # (n, M, H, 3)
        error = x3d - target.x3d[:, :, None]
        true_dims = objects.boxes3d[:, None, None, :3]
        occupied = target.occupied.to(error)
        if isinstance(self.loss_regr, MixtureNLLLoss):
            return self.loss_regr(
                error / true_dims.mean(dim=-1, keepdim=True),
                prediction.log_probs,
                weight=occupied,
                avg_factor=reduce_mean(occupied.sum()).clamp(min=1),
            )
        # The root has no gradient at zero, hence the floor far below any real error.
        distance = error.square().sum(-1).clamp(min=1e-12).sqrt() / true_dims.amax(dim=-1)
        weight = prediction.log_probs.exp() * occupied[..., None]  # (n, M, H)
        avg_factor = reduce_mean(weight.detach().sum()).clamp(min=1e-4)
        return self.loss_regr(
            distance, torch.zeros_like(distance), weight=weight, avg_factor=avg_factor
        )

    def _depth_loss(
        self, features: DenseFeatures, points: LidarPoints, geometry: ImageGeometry
    ) -> Tensor:
        prediction = self.depth_branch(features, points.locations, geometry)
        weight = points.valid.to(prediction.depth)
        return self.loss_depth(
            (prediction.depth - points.xyz[..., 2:])[..., None],
            prediction.log_probs,
            weight=weight,
            avg_factor=reduce_mean(weight.sum()).clamp(min=1),
        )

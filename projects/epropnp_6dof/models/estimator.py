"""The object pose network: crops in, poses and their posterior out."""

from __future__ import annotations

from collections import OrderedDict

import torch
from mmcv.runner import BaseModule
from mmdet.models.builder import DETECTORS, build_backbone, build_head
from torch import Tensor

from epropnp_det.pnp import PerspectiveCamera

from .correspondence import (
    WEIGHT_MODES,
    draw_cells,
    flatten_cells,
    object_points,
    point_weights,
)
from .layer import Z_MIN, build_layer, training_bounds
from .pose_losses import PoseLosses
from .solver import PoseSolver
from .structures import Correspondences, Crops, Maps, Targets


@DETECTORS.register_module()
class ObjectPoseEstimator(BaseModule):
    """Backbone, correspondence head and EPro-PnP layer (docs/method_6dof.md 1).

    Args:
        backbone: Config of mmdet's registry.
        head: Config of `CorrespondenceHead`.
        weights: How logits become weights, see `point_weights`.
        losses: Arguments of `PoseLosses`.
        pnp: Arguments of `build_layer`, for training.
        train_cfg: ``num_points`` drawn per crop in training; None takes all cells.
        test_cfg: Arguments of `PoseSolver`.
        init_cfg: As in mmcv.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        weights: str = 'softmax_per_cell',
        losses: dict | None = None,
        pnp: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if weights not in WEIGHT_MODES:
            raise ValueError(f'weights must be one of {WEIGHT_MODES}, got {weights!r}')
        self.backbone = build_backbone(backbone)
        self.head = build_head(head)
        self.weights = weights
        self.pnp = build_layer(**(pnp or {}))
        self.losses = PoseLosses(**(losses or {}))
        self.train_cfg = dict(train_cfg or {})
        self.test_cfg = dict(test_cfg or {})

    def maps(self, img: Tensor) -> Maps:
        """Runs the network alone.

        Args:
            img: BGR crops in 0..1, (B, 3, S, S).
        """
        # Convolutions of few channels are half as fast again on a processor in this layout.
        return self.head(self.backbone(img.contiguous(memory_format=torch.channels_last)))

    def correspondences(
        self, maps: Maps, crops: Crops, indices: Tensor | None = None
    ) -> Correspondences:
        """Points of the layer.

        Args:
            maps: Predictions.
            crops: Where the crops come from.
            indices: Flat cells to use, (B, n); None for all.
        """
        noc, logits = flatten_cells(maps.noc, indices), flatten_cells(maps.logits, indices)
        grid = flatten_cells(crops.grid.permute(0, 3, 1, 2), indices)
        return Correspondences(
            object_points(noc, crops.half_extents, crops.center),
            grid,
            point_weights(logits, maps.scale, crops.cell, self.weights),
        )

    def forward_train(
        self, img: Tensor, crops: Crops, targets: Targets, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Losses by name."""
        maps = self.maps(img)
        num_cells = maps.logits[0, 0].numel()
        num_points = self.train_cfg.get('num_points') or num_cells
        indices = draw_cells(len(img), num_cells, num_points, 'cpu', generator).to(img.device)
        points = self.correspondences(maps, crops, indices)
        camera = PerspectiveCamera(crops.cam2img, Z_MIN, *training_bounds(crops))
        return self.losses(self.pnp, camera, points, maps, targets, generator)

    def forward(self, return_loss: bool = True, **data) -> dict[str, Tensor] | list[dict]:
        """Losses, or results of `simple_test`; what mmcv's runner and test loops call."""
        crops = Crops(*(data[name] for name in Crops._fields))
        if return_loss:
            targets = Targets(*(data[name] for name in Targets._fields))
            return self.forward_train(data['img'], crops, targets)
        return self.simple_test(data['img'], crops)

    @torch.no_grad()
    def simple_test(self, img: Tensor, crops: Crops) -> list[dict]:
        """Poses of objects, one dict of arrays each; see `PoseSolver.results`.

        Args:
            img: ``V`` crops of each object, (B, V, 3, S, S).
            crops: Their fields, (B, V, ...).
        """
        _, points = self.predict(img, crops)
        return PoseSolver(**self.test_cfg).results(points, crops.cam2img[:, 0])

    def predict(self, img: Tensor, crops: Crops) -> tuple[Maps, Correspondences]:
        """Maps of all crops, (B V, ...), and the joined points of each object, (B, V n, ...).

        The joined cost is the mean over the crops: their errors are far from independent.
        """
        views = img.size(1)
        maps = self.maps(img.flatten(0, 1))
        points = self.correspondences(maps, Crops(*(field.flatten(0, 1) for field in crops)))
        joined = Correspondences(*(p.unflatten(0, (-1, views)).flatten(1, 2) for p in points))
        return maps, joined._replace(w2d=joined.w2d / views)

    def train_step(self, data: dict, optimizer: torch.optim.Optimizer | None = None) -> dict:
        """One iteration of mmcv's runner."""
        losses = self(**data)
        total = sum(value for name, value in losses.items() if name.startswith('loss'))
        log = OrderedDict((name, float(value.detach())) for name, value in losses.items())
        log['loss'] = float(total.detach())
        return {'loss': total, 'log_vars': log, 'num_samples': len(data['img'])}

    val_step = train_step

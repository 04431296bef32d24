"""Dense predictions in the regions of interest of the ground truth (docs/method.md 2.6)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmcv.ops import roi_align
from mmcv.runner import BaseModule
from torch import Tensor

from ..correspondence.image_transform import mirror, network_to_image
from ..correspondence.point_head import GroupLinear, fibonacci_directions
from ..structures import DenseFeatures, ImageGeometry
from .objects import SupervisedObjects
from .roi_overlap import RoIPairs, cell_centers, find_overlaps, inter_roi_logsumexp

__all__ = ['RoIBranch', 'RoIPrediction']


class RoIPrediction(NamedTuple):
    """What each of ``H`` heads predicts at the ``M = r * r`` cells of ``n`` regions, row by row.

    Attributes:
        noc: Box-relative coordinates, mirrored back for flipped images, (n, M, H, 3).
        log_sigma: Log standard deviation of the coded reprojection error, (n, M, H, 2).
        logits: Attention logits, (n, M, H).
        x2d: Cell centres in original pixels, (n, M, 2).
        pairs: Which regions overlap.
    """

    noc: Tensor
    log_sigma: Tensor
    logits: Tensor
    x2d: Tensor
    pairs: RoIPairs

    def combine(self, values: Tensor) -> Tensor:
        """Logsumexp over the heads and over the regions that overlap, (n, M, H) -> (n, M)."""
        size = self.pairs.rows.shape[-1]
        maps = values.logsumexp(-1).unflatten(1, (size, size))[:, None]  # (n, 1, r, r)
        return inter_roi_logsumexp(maps, self.pairs).flatten(1)

    @property
    def shared_log_probs(self) -> Tensor:
        """Mixture log-weights that the heads of all overlapping regions share, (n, M, H)."""
        return self.logits - self.combine(self.logits)[..., None]

    @property
    def log_probs(self) -> Tensor:
        """Mixture log-weights over the heads of the region itself, (n, M, H)."""
        return self.logits.log_softmax(-1)


class RoIBranch(BaseModule):
    """Reads keys and values of whole 2D boxes and predicts a coordinate per head and cell.

    Nothing here runs at test time: the branch gives the maps and queries, which the deformable
    sampler shares, supervision at every pixel of an object.

    Args:
        embed_dims: Channels of keys and values, a multiple of ``num_heads``.
        num_heads: Attention heads.
        size: Cells per side r.
        init_cfg: Initialisation config of mmcv.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        size: int = 14,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_heads = num_heads
        self.size = size
        self.regressor = GroupLinear(num_heads, embed_dims // num_heads, 5)

    def init_weights(self) -> None:
        """Starts like the point head: each head around a direction of its own, unit deviations."""
        super().init_weights()
        self.regressor.reset_parameters(scale=0.01)
        with torch.no_grad():
            bias = self.regressor.bias
            bias[:, :3] = 0.5 * fibonacci_directions(len(bias)).to(bias)

    def forward(
        self, features: DenseFeatures, objects: SupervisedObjects, geometry: ImageGeometry
    ) -> RoIPrediction:
        """Predicts at every cell of the objects' boxes; n may be zero."""
        key = self._crop(features.key, features.stride, objects)  # (n, H, M, c)
        value = self._crop(features.value, features.stride, objects)
        logits = torch.einsum('nhc,nhmc->nmh', objects.query, key) / key.shape[-1] ** 0.5
        noc, log_sigma = self.regressor(value).transpose(1, 2).split([3, 2], dim=-1)
        img_inds = objects.img_inds
        return RoIPrediction(
            noc=mirror(noc, 2, geometry.flipped[img_inds]),
            log_sigma=log_sigma,
            logits=logits,
            x2d=network_to_image(self._centers(objects.bboxes), geometry.img2net[img_inds]),
            pairs=find_overlaps(objects.bboxes, img_inds, self.size),
        )

    def _centers(self, bboxes: Tensor) -> Tensor:
        """Cell centres in network pixels, (n, M, 2)."""
        x, y = cell_centers(bboxes, self.size).unbind(1)
        shape = (len(bboxes), self.size, self.size)
        return torch.stack([x[:, None].expand(shape), y[:, :, None].expand(shape)], -1).flatten(
            1, 2
        )

    def _crop(self, feature_map: Tensor, stride: int, objects: SupervisedObjects) -> Tensor:
        """Averages the map over the cells, (n, H, M, c)."""
        rois = torch.cat([objects.img_inds[:, None].to(objects.bboxes), objects.bboxes], dim=1)
        if len(rois):
            # The operator reads memory as if it were contiguous, and the maps are channels last.
            crops = roi_align(
                feature_map.contiguous(), rois, (self.size, self.size), 1 / stride, 0, 'avg', True
            ).flatten(2)  # (n, C, M)
        else:
            crops = feature_map.flatten(2)[:0, :, :1].expand(-1, -1, self.size**2)
        return crops.unflatten(1, (self.num_heads, -1)).transpose(2, 3)

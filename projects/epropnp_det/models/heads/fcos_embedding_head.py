"""The dense, FCOS-style head that finds objects and gives each an embedding.

Source: docs/method.md 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmcv.runner import BaseModule
from mmdet.core import reduce_mean
from mmdet3d.models.builder import HEADS, build_loss
from torch import Tensor, nn

from ..precision import at_least_float32
from ..structures import DenseOutput, GroundTruth
from ..targets import (
    DenseTargets,
    fcos_targets,
    gather_centers,
    gather_points,
    ignored_points,
    point_grid,
)

_ACTIVATIONS = {'relu': F.relu, 'softplus': F.softplus, 'exp': torch.exp}


@HEADS.register_module()
class FCOSEmbeddingHead(BaseModule):
    """Predicts class, centerness, projected centre and embedding at the points of a pyramid.

    Two towers are shared by all levels; a trunk of one convolution leads to each output. Parameter
    names are those of the official checkpoints. Centres are ``point + offset * stride`` in network
    pixels, per class or for all classes. The 2D box branch is auxiliary and runs in training only.

    Mirrored images give exactly mirrored points only where the stride divides the canvas;
    ``models.views`` reads the maps of flipped views at the right places all the same
    (docs/differences.md W19).

    Args:
        num_classes: Number of classes; also the background label.
        in_channels: Channels of the pyramid.
        feat_channels: Channels of towers and trunks.
        strides: Stride of each level.
        regress_ranges: Range of the distance to the farthest side of the 2D box that each level
            answers for, in network pixels, both ends included.
        stacked_convs: Convolutions per tower.
        dcn_on_last_conv: Whether the last convolution of each tower is deformable (DCNv2).
        emb_channels: Channels of the embedding.
        centerness_channels: Channels of the centerness trunk.
        class_aware_center: Whether each class has a centre of its own (v1b_220411, v2).
        with_bbox: Whether to build the 2D box branch (v2).
        bbox_activation: What keeps distances to the box sides positive: 'softplus', 'exp', or
            'relu' as the official code, whose gradient dies at 0 (docs/differences.md W22).
        bbox_inside_only: Whether only points inside their 2D box train the box branch, because no
            box around the point can equal the target elsewhere (docs/differences.md W22); False as
            the official code.
        ignore_regions: Whether background inside ignored boxes is left out of the classification
            loss (docs/differences.md W23); the official code trains it as background.
        center_radius: Half size of the positive square in strides.
        norm_cfg: Norm of all convolutions.
        loss_cls: Classification loss.
        loss_centerness: Centerness loss.
        loss_center: Centre loss on errors in units of ``0.2 * (box side + 4 px)``.
        loss_bbox: 2D box loss.
        init_cfg: Initialisation; default: the output layers normal with std 0.01, class prior 0.01,
            box distances 1 stride.

    Raises:
        ValueError: If ``strides`` and ``regress_ranges`` differ in number or ``bbox_activation`` is
            unknown.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 256,
        feat_channels: int = 256,
        strides: Sequence[int] = (8, 16, 32, 64, 128),
        regress_ranges: Sequence[Sequence[float]] = (
            (-1, 48),
            (48, 96),
            (96, 192),
            (192, 384),
            (384, 1e8),
        ),
        stacked_convs: int = 2,
        dcn_on_last_conv: bool = True,
        emb_channels: int = 256,
        centerness_channels: int = 64,
        class_aware_center: bool = True,
        with_bbox: bool = True,
        bbox_activation: str = 'softplus',
        bbox_inside_only: bool = True,
        ignore_regions: bool = True,
        center_radius: float = 1.5,
        norm_cfg: dict | None = None,
        loss_cls: dict | None = None,
        loss_centerness: dict | None = None,
        loss_center: dict | None = None,
        loss_bbox: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or _default_init(with_bbox))
        if len(strides) != len(regress_ranges):
            raise ValueError(f'{len(strides)} strides but {len(regress_ranges)} regress_ranges')
        if bbox_activation not in _ACTIVATIONS:
            raise ValueError(f'bbox_activation {bbox_activation!r} is not in {list(_ACTIVATIONS)}')
        self.num_classes = num_classes
        self.strides = tuple(int(stride) for stride in strides)
        self.regress_ranges = tuple((float(low), float(high)) for low, high in regress_ranges)
        self.class_aware_center = class_aware_center
        self.with_bbox = with_bbox
        self.bbox_activation = bbox_activation
        self.bbox_inside_only = bbox_inside_only
        self.ignore_regions = ignore_regions
        self.center_radius = center_radius
        self.norm_cfg = norm_cfg or dict(type='GN', num_groups=32, requires_grad=True)
        self._build_layers(
            in_channels,
            feat_channels,
            stacked_convs,
            dcn_on_last_conv,
            emb_channels,
            centerness_channels,
        )
        self._build_losses(loss_cls, loss_centerness, loss_center, loss_bbox)

    def _build_losses(
        self,
        loss_cls: dict | None,
        loss_centerness: dict | None,
        loss_center: dict | None,
        loss_bbox: dict | None,
    ) -> None:
        self.loss_cls = build_loss(
            loss_cls or dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25)
        )
        self.loss_centerness = build_loss(
            loss_centerness or dict(type='CrossEntropyLoss', use_sigmoid=True)
        )
        self.loss_center = build_loss(loss_center or dict(type='SmoothL1Loss', beta=1.0))
        if self.with_bbox:
            self.loss_bbox = build_loss(loss_bbox or dict(type='GIoULoss', loss_weight=0.5))

    def _build_layers(
        self,
        in_channels: int,
        feat_channels: int,
        stacked_convs: int,
        dcn_on_last_conv: bool,
        emb_channels: int,
        centerness_channels: int,
    ) -> None:
        def conv3x3(channels: int, out_channels: int, deformable: bool = False) -> ConvModule:
            conv_cfg = dict(type='DCNv2', deform_groups=1) if deformable else None
            return ConvModule(
                channels, out_channels, 3, padding=1, conv_cfg=conv_cfg, norm_cfg=self.norm_cfg
            )

        def tower() -> nn.ModuleList:
            return nn.ModuleList(
                conv3x3(
                    feat_channels if i else in_channels,
                    feat_channels,
                    deformable=dcn_on_last_conv and i == stacked_convs - 1,
                )
                for i in range(stacked_convs)
            )

        def trunk(out_channels: int) -> nn.ModuleList:
            tower_channels = feat_channels if stacked_convs else in_channels
            return nn.ModuleList([conv3x3(tower_channels, out_channels)])

        self.cls_convs = tower()
        self.reg_convs = tower()
        self.conv_cls_prev = trunk(feat_channels)
        self.conv_cls = nn.Conv2d(feat_channels, self.num_classes, 1)
        self.conv_centerness_prev = trunk(centerness_channels)
        self.conv_centerness = nn.Conv2d(centerness_channels, 1, 1)
        self.conv_offset_prev = trunk(feat_channels)
        num_centers = self.num_classes if self.class_aware_center else 1
        self.conv_offset = nn.Conv2d(feat_channels, 2 * num_centers, 1)
        self.conv_emb_prev = trunk(feat_channels)
        self.conv_emb = ConvModule(feat_channels, emb_channels, 1, norm_cfg=self.norm_cfg)
        if self.with_bbox:
            self.conv_bbox_prev = trunk(feat_channels)
            self.conv_bbox = nn.Conv2d(feat_channels, 4, 1)

    def forward(self, feats: Sequence[Tensor], with_bbox: bool | None = None) -> DenseOutput:
        """Runs the head on a feature pyramid.

        Args:
            feats: One map (B, C, h, w) per stride.
            with_bbox: Whether to run the 2D box branch; default: in training mode, where it exists.

        Raises:
            ValueError: If there are not as many maps as strides, or boxes are asked of a head
                without them.
        """
        if with_bbox is None:
            with_bbox = self.training and self.with_bbox
        if with_bbox and not self.with_bbox:
            raise ValueError('this head has no 2D box branch; build it with with_bbox=True')
        if len(feats) != len(self.strides):
            raise ValueError(
                f'got {len(feats)} feature maps for strides {self.strides}; '
                f'set num_outs of the neck to {len(self.strides)}'
            )
        levels = [
            self._forward_level(feat, stride, with_bbox)
            for feat, stride in zip(feats, self.strides)
        ]
        cls_logits, centerness, centers, embeddings, bboxes = (list(maps) for maps in zip(*levels))
        return DenseOutput(
            cls_logits=cls_logits,
            centerness=centerness,
            centers=centers,
            embeddings=embeddings,
            bboxes=bboxes if with_bbox else None,
            strides=self.strides,
        )

    def _forward_level(
        self, feat: Tensor, stride: int, with_bbox: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        cls_feat = _run(self.cls_convs, feat)
        reg_feat = _run(self.reg_convs, feat)
        cls_logits = self.conv_cls(_run(self.conv_cls_prev, cls_feat))
        centerness = self.conv_centerness(_run(self.conv_centerness_prev, reg_feat))
        # pixels need more digits than half precision has
        offsets = at_least_float32(self.conv_offset(_run(self.conv_offset_prev, reg_feat)))
        points = point_grid([offsets], [stride]).points.t().reshape(2, *offsets.shape[-2:])
        centers = points[None, None] + offsets.unflatten(1, (-1, 2)) * stride  # (B, C, 2, h, w)
        embeddings = self.conv_emb(_run(self.conv_emb_prev, reg_feat))
        bboxes = None
        if with_bbox:
            distances = at_least_float32(self.conv_bbox(_run(self.conv_bbox_prev, reg_feat)))
            bboxes = _ACTIVATIONS[self.bbox_activation](distances) * stride
        return cls_logits, centerness, centers.flatten(1, 2), embeddings, bboxes

    def get_targets(
        self,
        output: DenseOutput,
        gt: GroundTruth,
        centers: Tensor,
        ignore_bboxes: Tensor | None = None,
        ignore_img_inds: Tensor | None = None,
    ) -> DenseTargets:
        """Assigns the points of the pyramid to objects.

        Args:
            output: Output of :meth:`forward`; only its shapes are read.
            gt: Objects of all images.
            centers: Volume centres in network pixels, (G, 2).
            ignore_bboxes: Regions that are neither object nor background, network pixels, (M, 4).
            ignore_img_inds: Image of each region, (M,).
        """
        grid = point_grid(output.cls_logits, output.strides)
        num_imgs = output.cls_logits[0].shape[0]
        ignored = None
        if self.ignore_regions and ignore_bboxes is not None and ignore_img_inds is not None:
            ignored = ignored_points(grid, ignore_bboxes, ignore_img_inds, num_imgs)
        return fcos_targets(
            grid,
            gt,
            centers,
            num_imgs,
            self.num_classes,
            self.regress_ranges,
            radius=self.center_radius,
            ignored=ignored,
        )

    def loss(self, output: DenseOutput, targets: DenseTargets) -> dict[str, Tensor]:
        """Losses of the dense outputs (docs/method.md 2.2, 3.3).

        Numbers of positives and sums of centerness are averaged over ranks. Without positives, all
        but the classification loss are zero, with a graph.

        Args:
            output: Output of :meth:`forward` in training mode.
            targets: Output of :meth:`get_targets`.

        Returns:
            ``loss_cls``, ``loss_centerness``, ``loss_center`` and, where boxes were predicted,
            ``loss_bbox``.
        """
        at = (targets.img_inds, targets.point_inds)
        sums = torch.stack(
            [targets.centerness.new_full((), at[0].shape[0]), targets.centerness.sum()]
        )
        num_pos, centerness_sum = reduce_mean(sums).unbind()
        num_pos = num_pos.clamp(min=1.0)
        centerness_sum = centerness_sum.clamp(min=1e-6)
        logits = torch.cat([level.flatten(2) for level in output.cls_logits], 2)  # (B, C, P)
        losses = {
            'loss_cls': self.loss_cls(
                at_least_float32(logits.transpose(1, 2).flatten(0, 1)),  # (B P, C)
                targets.labels.flatten(),
                weight=targets.cls_weights.flatten(),
                avg_factor=num_pos,
            ),
            'loss_centerness': self.loss_centerness(
                at_least_float32(gather_points(output.centerness, *at)[:, 0]),
                targets.centerness,
                avg_factor=num_pos,
            ),
            'loss_center': self._center_loss(output, targets, centerness_sum),
        }
        if output.bboxes is not None:
            losses['loss_bbox'] = self._bbox_loss(output.bboxes, targets, centerness_sum)
        return losses

    def _center_loss(self, output: DenseOutput, targets: DenseTargets, total: Tensor) -> Tensor:
        centers = gather_centers(
            output.centers, targets.img_inds, targets.point_inds, targets.pos_labels
        )
        sides = targets.bboxes[:, 2:] - targets.bboxes[:, :2]
        error = (centers - targets.centers) / (0.2 * (sides + 4))  # (n, 2)
        return self.loss_center(
            error,
            torch.zeros_like(error),
            weight=targets.centerness[:, None].expand_as(error),
            avg_factor=2 * total,
        )

    def _bbox_loss(self, bboxes: list[Tensor], targets: DenseTargets, total: Tensor) -> Tensor:
        distances = gather_points(bboxes, targets.img_inds, targets.point_inds)  # (n, 4)
        signs = distances.new_tensor([-1.0, -1.0, 1.0, 1.0])
        relative = targets.bboxes - targets.points.repeat(1, 2)
        weights = targets.centerness
        if self.bbox_inside_only:
            weights = weights * (relative * signs >= 0).all(-1)
            total = reduce_mean(weights.sum()).clamp(min=1e-6)
        return self.loss_bbox(distances * signs, relative, weight=weights, avg_factor=total)


def _run(convs: nn.ModuleList, feat: Tensor) -> Tensor:
    for conv in convs:
        feat = conv(feat)
    return feat


def _default_init(with_bbox: bool) -> dict:
    outputs = [
        dict(name='conv_cls', type='Normal', std=0.01, bias=-math.log(99)),
        dict(name='conv_offset', type='Normal', std=0.01),
    ]
    if with_bbox:
        outputs.append(dict(name='conv_bbox', type='Normal', std=0.01, bias=1.0))
    return dict(type='Normal', layer=[], std=0.01, override=outputs)

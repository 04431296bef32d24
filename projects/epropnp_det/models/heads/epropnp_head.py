"""The whole head: dense FCOS-style detector, correspondences, EPro-PnP, losses, decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmdet3d.models.builder import HEADS, build_head, build_loss
from mmdet3d.models.dense_heads.base_mono3d_dense_head import BaseMono3DDenseHead
from torch import Tensor

from ..auxiliary import join_headings
from ..builder import build_pnp, merged
from ..class_agreement import check_class_counts, head_class_counts
from ..correspondence import SampledObjects
from ..correspondence.image_transform import shift_pixel_center
from ..decoding import (
    DenseMaps,
    Detections,
    Ground,
    cell_to_image,
    decode_detections,
    score_map,
    turned,
)
from ..structures import (
    Correspondences,
    DenseOutput,
    GroundTruth,
    ImageGeometry,
    ObjectQueries,
)
from ..targets import (
    Candidates,
    collect_ground_truth,
    find_candidates,
    ignored_regions,
    sample_objects,
    visible_objects,
)
from ..views import align_views, average_logits, head_by_head, merge_views

__all__ = ['EProPnPHead']


@HEADS.register_module()
class EProPnPHead(BaseMono3DDenseHead):
    """EPro-PnP-Det head (EPro-PnP paper, section 4.2; docs/method.md 2).

    Data flows one way: pyramid -> dense ``detector`` -> objects -> ``correspondence`` head ->
    ``pnp`` -> losses or detections. The pyramid starts at the output stride of the correspondence
    head; the detector takes the levels of its own strides, the coarser ones.

    Args:
        detector: Config of the dense head.
        correspondence: Config of the correspondence head.
        pnp: Config of the EPro-PnP layer used in training.
        pnp_test: Values that replace those of ``pnp`` at test time, e.g. fewer iterations; parts
            of it name only the values that differ, see :func:`merged`.
        auxiliary: Config of :class:`AuxiliaryHead`, the dense losses; None for none. Its
            ``embed_dims`` and ``num_heads`` are those of ``correspondence`` if not given.
        heading: Config of :class:`HeadingBranch`, which teaches which end is the front; None for
            none, as published. ``apparent_size``: the same of :class:`ApparentSizeBranch`.
        camera: Config of the camera; its ``pixel_center`` must be that of ``correspondence``.
        losses: Config of :class:`ObjectLosses`.
        samples_per_img: Object samples per training image.
        class_attributes: Attribute indices that each class may have; None allows all.
        min_bbox_side: Training objects with a shorter 2D box side are left out, network pixels.
        train_cfg: Not used; mmdet3d passes it.
        test_cfg: ``score_thr`` (on class score x centerness), ``max_per_img`` candidates,
            ``nms_iou2d``, ``nms_iou_bev``, ``fast_mode`` (Gauss-Newton instead of trust region),
            ``mc_score_ratio`` (share of the posterior in the 3D score), ``class_rivalry`` (how much
            other classes on the same pixels lower a score; 0, as published: not at all), ``ground``
            (fields of :class:`Ground`: objects stand on one plane, where the camera's mounting is
            known; None, as published: anywhere), ``heading_weight`` (what the answer of ``heading``
            counts beside the solver's; 0, as published: nothing), ``heading_front_only`` (it only
            tells the front), ``with_samples`` (whether detections carry their posterior),
            ``normalize_views`` (False: as official, too narrow, docs/differences.md W26), ``seed``.
        init_cfg: Initialisation config of mmcv.

    Raises:
        ValueError: If camera and correspondences disagree about the centre of the first pixel, the
            strides about the pyramid, or the parts about the number of classes; or if ``test_cfg``
            names what is not there.
    """

    def __init__(
        self,
        detector: dict,
        correspondence: dict,
        pnp: dict,
        camera: dict,
        losses: dict,
        pnp_test: dict | None = None,
        auxiliary: dict | None = None,
        heading: dict | None = None,
        apparent_size: dict | None = None,
        samples_per_img: int = 48,
        class_attributes: Sequence[Sequence[int]] | None = None,
        min_bbox_side: float = 4.0,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.detector = build_head(detector)
        self.correspondence = build_head(correspondence)
        self.pnp = build_pnp(pnp, 'pnp')
        self.pnp_test = build_pnp(merged(pnp, pnp_test or {}), 'pnp_test')
        self.make_camera = build_pnp(camera, 'camera')
        self.losses = build_loss(losses)
        self.auxiliary = self._build_auxiliary(auxiliary)
        embed_dims = self.correspondence.sampler.embed_dims
        self.heading = heading and build_head({'embed_dims': embed_dims, **heading})
        self.apparent_size = apparent_size and build_head(
            {'embed_dims': embed_dims, **apparent_size}
        )
        self.samples_per_img = samples_per_img
        self.class_attributes = class_attributes
        self.min_bbox_side = min_bbox_side
        self.test_cfg = dict(test_cfg or {})
        Ground.from_config(self.test_cfg.get('ground'))  # refuses now what it would refuse later
        if self.test_cfg.get('heading_weight', 0.0) > 0 and self.heading is None:
            raise ValueError('test_cfg.heading_weight needs the branch bbox_head.heading')
        self.num_classes = self.detector.num_classes
        check_class_counts(head_class_counts(self), class_attributes, self.correspondence.num_attrs)
        self.pixel_center = _same_pixel_center(camera, correspondence)
        self.first_level = _first_level(
            self.detector.strides[0], self.correspondence.encoder.stride
        )

    def forward_train(
        self,
        x: Sequence[Tensor],
        img_metas: list[dict],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_3d: list,
        gt_labels_3d: list[Tensor] | None = None,
        centers2d: list[Tensor] | None = None,
        depths: list[Tensor] | None = None,
        attr_labels: list[Tensor] | None = None,
        gt_bboxes_ignore: list[Tensor] | None = None,
        lidar_points: list[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch of ``B`` images.

        Args:
            x: Pyramid levels, (B, C, h, w) each.
            img_metas: Metas with ``cam2img``, ``img2net``, ``ori_shape`` and ``img_shape``.
            gt_bboxes: 2D boxes x1 y1 x2 y2 in network pixels, (G, 4) per image.
            gt_labels: Class indices, (G,) per image.
            gt_bboxes_3d: ``CameraInstance3DBoxes`` per image, with velocity where it is known.
            gt_labels_3d: Same as ``gt_labels``; not used.
            centers2d: Projected box centres; not used, the method aims at volume centres.
            depths: Not used, the boxes say it.
            attr_labels: Attribute indices, (G,) per image.
            gt_bboxes_ignore: 2D boxes that are neither object nor background.
            lidar_points: x, y, z in the camera frame and u, v in original pixels, (P, 5) per image,
                for the auxiliary losses; see ``LoadLidarMono3D``.

        Returns:
            Losses and metrics by name.
        """
        geometry = ImageGeometry.from_metas(img_metas, x[0].device)
        gt = collect_ground_truth(
            gt_bboxes, gt_labels, gt_bboxes_3d, attr_labels, self.num_classes, x[0].device
        )
        gt, centers = self._visible(gt, geometry)

        dense = self.detector(x[self.first_level :])
        targets = self.detector.get_targets(
            dense, gt, centers, **ignored_regions(gt_bboxes_ignore, centers)
        )
        losses = self.detector.loss(dense, targets)

        num_requested = self.samples_per_img * len(img_metas)
        samples = sample_objects(dense, targets, gt, num_requested)
        features = self.correspondence.encode(x, geometry)
        sampled = self.correspondence.sample(features, samples.queries, geometry)
        correspondences = self.correspondence.predict(sampled, samples.queries, geometry)
        camera = self._camera(geometry, samples.queries.img_inds)
        encode_dims = self.correspondence.dim_coder.encode
        losses.update(
            self.losses(self.pnp, camera, correspondences, samples, gt, encode_dims, num_requested)
        )
        for branch in (self.heading, self.apparent_size):
            if branch is not None:
                losses.update(branch(sampled, samples, gt, geometry, num_requested))
        if self.auxiliary is not None:
            dense_losses = self.auxiliary(
                features,
                samples,
                sampled.query,
                correspondences.dims,
                gt,
                self.make_camera(geometry.cam2img, geometry.img_size),
                self._camera_pixels(geometry),
                lidar_points,
            )
            losses.update(dense_losses)
        return losses

    def simple_test(
        self, feats: Sequence[Tensor], img_metas: list[dict], rescale: bool = False
    ) -> Detections:
        """Detects objects; boxes are those of the original images, whatever ``rescale`` says.

        Args:
            feats: Pyramid levels, (B, C, h, w) each.
            img_metas: As for :meth:`forward_train`.
            rescale: Not used.

        Returns:
            Detections of all images, best first.
        """
        return self.aug_test([feats], [img_metas])

    def aug_test(
        self,
        feats: Sequence[Sequence[Tensor]],
        img_metas: Sequence[list[dict]],
        with_samples: bool = False,
        with_points: bool = False,
    ) -> Detections:
        """Detects objects in several views of the same images (docs/method.md 4.4).

        Logits are averaged, so all views have the same candidates; each view gives its own
        correspondences, in original pixels, and one PnP per object solves their union.

        Args:
            feats: Pyramid levels of each view, (B, C, h, w) each.
            img_metas: Metas of each view; every view is the first one or its mirror image.
            with_samples: Whether to draw posterior samples, also where ``test_cfg`` does not.
            with_points: Whether detections keep their correspondences.

        Returns:
            Detections of all images, best first.

        Raises:
            ValueError: If a view is neither.
        """
        cfg = self.test_cfg
        geometries = [
            ImageGeometry.from_metas(metas, view[0].device) for view, metas in zip(feats, img_metas)
        ]
        outputs = [self.detector(view[self.first_level :]) for view in feats]
        outputs = align_views(outputs, geometries)
        candidates = find_candidates(
            average_logits(outputs), cfg.get('score_thr', 0.04), cfg.get('max_per_img', 256)
        )
        views = [
            (self._sample(view, queries, geometry), queries, geometry)
            for view, geometry, queries in zip(feats, geometries, map(candidates.queries, outputs))
        ]
        correspondences = merge_views(
            [self.correspondence.predict(*view) for view in views],
            normalize=cfg.get('normalize_views', True),
        )
        heading = None
        if cfg.get('heading_weight', 0.0) > 0:
            heading = torch.stack([self.heading.answer(*view) for view in views]).mean(0)
        found = self._decode(
            candidates, correspondences, heading, geometries[0], with_samples, with_points
        )
        return found.ordered_points(lambda points: head_by_head(points, len(views)))

    @torch.no_grad()
    def dense_maps(self, feats: Sequence[Tensor], img_metas: list[dict]) -> list[DenseMaps]:
        """What the dense head and the auxiliary depth branch see, one per image.

        Args:
            feats: Pyramid levels, (B, C, h, w) each.
            img_metas: As for :meth:`forward_train`.
        """
        geometry = ImageGeometry.from_metas(img_metas, feats[0].device)
        scores = score_map(self.detector(feats[self.first_level :]))
        maps = dict(scores=scores, score2img=cell_to_image(geometry, self.detector.strides[0]))
        if self.auxiliary is not None and self.auxiliary.depth_branch is not None:
            features = self.correspondence.encode(feats, geometry)
            depth = self.auxiliary.depth_branch.dense_depth(features, geometry)
            maps.update(depth=depth, depth2img=cell_to_image(geometry, features.stride))
        return [
            DenseMaps(**{name: value[index] for name, value in maps.items()})
            for index in range(len(img_metas))
        ]

    def _sample(
        self, feats: Sequence[Tensor], queries: ObjectQueries, geometry: ImageGeometry
    ) -> SampledObjects:
        features = self.correspondence.encode(feats, geometry)
        return self.correspondence.sample(features, queries, geometry)

    def _decode(
        self,
        candidates: Candidates,
        correspondences: Correspondences,
        heading: Tensor | None,
        geometry: ImageGeometry,
        with_samples: bool,
        with_points: bool,
    ) -> Detections:
        cfg = self.test_cfg
        mc_score_ratio = cfg.get('mc_score_ratio', 0.0)
        monte_carlo = mc_score_ratio > 0 or with_samples or cfg.get('with_samples', False)
        solve = self.pnp_test.monte_carlo_forward if monte_carlo else self.pnp_test
        # A generator of its own per call: the same image gives the same boxes, run after run.
        generator = torch.Generator(geometry.cam2img.device).manual_seed(cfg.get('seed', 0))
        solution = solve(
            correspondences.x3d,
            correspondences.x2d,
            correspondences.w2d,
            self._camera(geometry, candidates.img_inds),
            fast_mode=cfg.get('fast_mode', True),
            generator=generator,
        )
        if heading is not None:
            front_only = cfg.get('heading_front_only', False)
            turns = join_headings(solution.pose, heading, cfg['heading_weight'], front_only)
            solution = turned(solution, turns)
        return decode_detections(
            candidates,
            correspondences,
            solution,
            geometry,
            self.class_attributes,
            nms_iou2d=cfg.get('nms_iou2d', 0.8),
            nms_iou_bev=cfg.get('nms_iou_bev', 0.25),
            mc_score_ratio=mc_score_ratio,
            class_rivalry=cfg.get('class_rivalry', 0.0),
            ground=Ground.from_config(cfg.get('ground')),
            pixel_center=self.pixel_center,
            with_points=with_points,
        )

    def forward_dummy(
        self, x: Sequence[Tensor], img_metas: list[dict]
    ) -> tuple[DenseOutput, Correspondences]:
        """All layers, for as many candidates as there may be; for counting operations.

        Args:
            x: Pyramid levels, (B, C, h, w) each.
            img_metas: As for :meth:`forward_train`.

        Returns:
            Dense output, and correspondences of the candidates.
        """
        geometry = ImageGeometry.from_metas(img_metas, x[0].device)
        output = self.detector(x[self.first_level :])
        candidates = find_candidates(output, 0.0, self.test_cfg.get('max_per_img', 256))
        features = self.correspondence.encode(x, geometry)
        return output, self.correspondence(features, candidates.queries(output), geometry)

    def loss(self, **kwargs) -> dict[str, Tensor]:
        """Alias that mmdet3d's base class asks for; see :meth:`forward_train`."""
        return self.forward_train(**kwargs)

    def get_bboxes(self, *args, **kwargs) -> Detections:
        """Alias that mmdet3d's base class asks for; see :meth:`simple_test`."""
        return self.simple_test(*args, **kwargs)

    def _build_auxiliary(self, auxiliary: dict | None) -> torch.nn.Module | None:
        sampler = self.correspondence.sampler
        widths = dict(embed_dims=sampler.embed_dims, num_heads=sampler.num_heads)
        return None if auxiliary is None else build_head({**widths, **auxiliary})

    def _camera_pixels(self, geometry: ImageGeometry) -> ImageGeometry:
        """The geometry with ``img2net`` of the pixels that cameras project to."""
        img2net = shift_pixel_center(geometry.img2net, self.pixel_center)
        return geometry._replace(img2net=img2net)

    def _camera(self, geometry: ImageGeometry, img_inds: Tensor):
        return self.make_camera(geometry.cam2img[img_inds], geometry.img_size[img_inds])

    def _visible(self, gt: GroundTruth, geometry: ImageGeometry) -> tuple[GroundTruth, Tensor]:
        """Objects that the network can see, and their volume centres in network pixels, (G, 2)."""
        stride = self.correspondence.encoder.stride
        return visible_objects(gt, self._camera_pixels(geometry), stride, self.min_bbox_side)


def _same_pixel_center(camera: dict, correspondence: dict) -> float:
    centers = {float(cfg.get('pixel_center', 0.5)) for cfg in (camera, correspondence)}
    if len(centers) > 1:
        raise ValueError(
            'camera and correspondence must have the same pixel_center, got '
            f'{sorted(centers)}; 2D points and projections would lie half a pixel apart'
        )
    return centers.pop()


def _first_level(detector_stride: int, output_stride: int) -> int:
    """Index of the detector's finest level in a pyramid that starts at the output stride."""
    level = round(math.log2(detector_stride / output_stride))
    if level < 0 or output_stride * 2**level != detector_stride:
        raise ValueError(
            f'a pyramid that starts at stride {output_stride} (correspondence.stride) has no level '
            f'of stride {detector_stride}, the first of detector.strides'
        )
    return level

"""The detector that mmdet3d's runner trains and tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmdet.core import bbox2result
from mmdet3d.core import CameraInstance3DBoxes, bbox3d2result
from mmdet3d.models.builder import DETECTORS
from mmdet3d.models.detectors import SingleStageMono3DDetector
from torch import Tensor

from ...boxes.instances import instance_from_boxes3d
from ...engine.losses import LossLog, parse_losses
from ...engine.result_pictures import write_result_picture
from ..decoding import Detections

__all__ = ['EProPnPDet']


@DETECTORS.register_module()
class EProPnPDet(SingleStageMono3DDetector):
    """EPro-PnP-Det: backbone, pyramid and :class:`EProPnPHead` (EPro-PnP paper, section 4.2)."""

    @property
    def CLASSES(self) -> tuple[str, ...]:
        """Names of the classes, which whoever trains or tests the detector sets."""
        return self._classes

    @CLASSES.setter
    def CLASSES(self, names: Sequence[str]) -> None:
        """Takes names of as many classes as the heads are made for, also from the stock tools.

        Raises:
            ValueError: If there are more or fewer.
        """
        if names and len(names) != self.bbox_head.num_classes:
            raise ValueError(
                f'data or checkpoint have {len(names)} classes ({", ".join(names)}), and the model '
                f'is made for {self.bbox_head.num_classes} '
                '(model.bbox_head.detector.num_classes); set the two to the same'
            )
        self._classes = tuple(names)

    def forward_train(self, img: Tensor, img_metas: list[dict], **targets) -> dict[str, Tensor]:
        """Losses of a batch of ``B`` images.

        Args:
            img: Network input, (B, 3, H, W).
            img_metas: Metas of the Mono3D pipeline steps.
            **targets: Ground truth as :meth:`EProPnPHead.forward_train` takes it, which may have
                LiDAR points beside what mmdet3d's detectors know.

        Returns:
            Losses and metrics by name.
        """
        return self.bbox_head.forward_train(self.extract_feat(img), img_metas, **targets)

    def _parse_losses(self, losses: dict) -> tuple[Tensor, LossLog]:
        """Sum and log of the losses; mmdet's waits for the device once per loss."""
        return parse_losses(losses)

    def forward_dummy(self, img: Tensor) -> tuple:
        """All layers on an empty image of this size, for mmdet3d's ``get_flops.py``.

        What solves for the poses is no layer and not counted; ``benchmarks/benchmark_pnp.py``
        measures it.

        Args:
            img: Network input, (B, 3, H, W).
        """
        height, width = img.shape[-2:]
        meta = dict(
            cam2img=[[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]],
            img2net=np.eye(3),
            ori_shape=(height, width, 3),
            img_shape=(height, width, 3),
        )
        feats = self.extract_feat(torch.zeros_like(img))
        return self.bbox_head.forward_dummy(feats, [meta] * len(img))

    def forward_test(
        self, imgs: list[Tensor], img_metas: list[list[dict]], **kwargs
    ) -> list[dict[str, dict]]:
        """As mmdet's, but batches of any size may have several views."""
        if isinstance(imgs, list) and len(imgs) == len(img_metas) > 1:
            return self.aug_test(imgs, img_metas, **kwargs)
        return super().forward_test(imgs, img_metas, **kwargs)

    def simple_test(
        self, img: Tensor, img_metas: list[dict], rescale: bool = False, **wanted
    ) -> list[dict[str, dict]]:
        """Detects objects in a batch of ``B`` images.

        Args:
            img: Network input, (B, 3, H, W).
            img_metas: Metas of the Mono3D pipeline steps.
            rescale: Not used: boxes are always those of the original images.
            **wanted: As :meth:`aug_test`.

        Returns:
            Per image ``img_bbox`` (``boxes_3d`` with velocity, ``scores_3d``, ``labels_3d``,
            ``attrs_3d``, ``pose_cov_3d``; with samples the posterior ``samples_3d``,
            ``log_weights_3d``, ``ess_3d``; with points ``x3d``, ``x2d``, ``w2d``; see
            :class:`Detections`), ``img_bbox2d`` (projected boxes with class scores, per class) and
            with maps ``maps`` (:class:`DenseMaps` of the first view).
        """
        return self.aug_test([img], [img_metas], rescale, **wanted)

    def aug_test(
        self,
        imgs: list[Tensor],
        img_metas: list[list[dict]],
        rescale: bool = False,
        with_samples: bool | None = None,
        with_points: bool = False,
        with_maps: bool = False,
    ) -> list[dict[str, dict]]:
        """Detects objects in plain and mirrored views of the same ``B`` images.

        Args:
            imgs: Network input of each view, (B, 3, H, W).
            img_metas: Metas of each view.
            rescale: Not used.
            with_samples: Whether to return posterior samples; None leaves it to ``test_cfg``.
            with_points: Whether to return the correspondences of each detection.
            with_maps: Whether to return score map and auxiliary depth.

        Returns:
            As :meth:`simple_test`.

        Raises:
            ValueError: If a view is neither the first one nor its mirror image.
        """
        feats = [self.extract_feat(img) for img in imgs]
        if with_samples is None:
            with_samples = self.bbox_head.test_cfg.get('with_samples', False)
        detections = self.bbox_head.aug_test(feats, img_metas, with_samples, with_points)
        results = [
            self._result(detections.select(detections.img_inds == index), with_samples)
            for index in range(len(img_metas[0]))
        ]
        if with_maps:
            for result, maps in zip(results, self.bbox_head.dense_maps(feats[0], img_metas[0])):
                result['maps'] = {
                    name: value.cpu() for name, value in maps._asdict().items() if value is not None
                }
        return results

    def show_results(
        self,
        data: dict,
        result: list[dict],
        out_dir: str,
        show: bool = False,
        score_thr: float | None = None,
    ) -> None:
        """Draws a batch with its boxes, and these from above, for mmdet3d's test loop.

        mmdet3d's own pictures need ``np.int``, which numpy 1.24 dropped.

        Args:
            data: The batch, with ``img_metas``.
            result: What :meth:`simple_test` returned for it.
            out_dir: Gets ``<image>.jpg``.
            show: Whether to open a window, too.
            score_thr: Detections below are not drawn; None draws all.
        """
        metas = data['img_metas'][0]
        metas = metas.data[0] if isinstance(metas, DataContainer) else metas
        for meta, found in zip(metas, result):
            write_result_picture(
                Path(out_dir) / f'{Path(meta["filename"]).stem}.jpg',
                mmcv.imread(meta['filename']),
                meta['cam2img'],
                found,
                score_thr or 0.0,
                self.CLASSES,
                show=show,
            )

    def _result(self, found: Detections, with_samples: bool) -> dict[str, dict]:
        """What mmdet3d's data sets expect of one image, and what else was asked for."""
        boxes: CameraInstance3DBoxes = instance_from_boxes3d(found.boxes3d, found.velocities)
        result = bbox3d2result(boxes, found.scores, found.labels, found.attributes)
        result['pose_cov_3d'] = found.pose_cov.cpu()
        if with_samples:
            result['samples_3d'] = found.samples.cpu()
            result['log_weights_3d'] = found.log_weights.cpu()
            result['ess_3d'] = found.ess.cpu()
        if found.x2d is not None:
            result.update(x3d=found.x3d.cpu(), x2d=found.x2d.cpu(), w2d=found.w2d.cpu())
        bboxes2d = torch.cat([found.bboxes, found.cls_scores[:, None]], dim=1)
        return dict(
            img_bbox=result,
            img_bbox2d=bbox2result(bboxes2d, found.labels, self.bbox_head.num_classes),
        )

"""The detector that mmdet3d's runner trains and tests."""

from __future__ import annotations

from mmdet.core import bbox2result
from mmdet3d.core import CameraInstance3DBoxes, bbox3d2result
from mmdet3d.models.builder import DETECTORS
from mmdet3d.models.detectors import SingleStageMono3DDetector
from torch import Tensor

from ..box_conversion import instance_from_boxes3d

__all__ = ['EProPnPDet']


@DETECTORS.register_module()
class EProPnPDet(SingleStageMono3DDetector):
    """EPro-PnP-Det: backbone, pyramid and :class:`EProPnPHead` (EPro-PnP paper, section 4.2)."""

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

    def simple_test(
        self, img: Tensor, img_metas: list[dict], rescale: bool = False
    ) -> list[dict[str, dict]]:
        """Detects objects in a batch of ``B`` images.

        Args:
            img: Network input, (B, 3, H, W).
            img_metas: Metas of the Mono3D pipeline steps.
            rescale: Not used: boxes are always those of the original images.

        Returns:
            Per image ``img_bbox`` (``boxes_3d`` with velocity, ``scores_3d``, ``labels_3d``,
            ``attrs_3d``) and ``img_bbox2d`` (projected boxes with class scores, per class).
        """
        detections = self.bbox_head.simple_test(self.extract_feat(img), img_metas)
        results = []
        for index in range(len(img_metas)):
            found = detections.select(detections.img_inds == index)
            boxes: CameraInstance3DBoxes = instance_from_boxes3d(found.boxes3d, found.velocities)
            bboxes2d = found.bboxes.new_zeros(len(found.scores), 5)
            bboxes2d[:, :4], bboxes2d[:, 4] = found.bboxes, found.cls_scores
            results.append(
                dict(
                    img_bbox=bbox3d2result(boxes, found.scores, found.labels, found.attributes),
                    img_bbox2d=bbox2result(bboxes2d, found.labels, self.bbox_head.num_classes),
                )
            )
        return results

    def aug_test(
        self, imgs: list[Tensor], img_metas: list[list[dict]], rescale: bool = False
    ) -> list[dict[str, dict]]:
        """Refuses several views.

        Raises:
            ValueError: Always; the head works on one view per image.
        """
        raise ValueError(
            'EProPnPDet tests one view per image; set flip=False and a single scale in '
            'MultiScaleFlipAug of the test pipeline'
        )

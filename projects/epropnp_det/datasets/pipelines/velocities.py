"""Velocities for networks that cannot leave out what is unknown."""

from __future__ import annotations

from mmdet3d.datasets.builder import PIPELINES


@PIPELINES.register_module()
class ZeroUnknownVelocities:
    """Unknown velocities become zero, as mmdet3d's own data set has them.

    Our data sets say NaN and our head trains nothing there; the losses of a stock head, such as
    ``FCOSMono3DHead``, become NaN for the whole batch. Nothing else is changed.
    """

    def __call__(self, results: dict) -> dict:
        """``gt_bboxes_3d`` anew, the last two of its nine columns without NaN."""
        boxes = results['gt_bboxes_3d'].clone()
        boxes.tensor[:, 7:9] = boxes.tensor[:, 7:9].nan_to_num(nan=0.0)
        return {**results, 'gt_bboxes_3d': boxes}

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'

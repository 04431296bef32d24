"""The surrogate loss of methods that do not differentiate PnP, for comparison."""

from __future__ import annotations

import torch
from mmdet3d.models.builder import LOSSES
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from epropnp_det.models.auxiliary import encode_reprojection_error
from epropnp_det.models.losses import ObjectLosses, SampledObjects


@LOSSES.register_module()
class SurrogateLosses(ObjectLosses):
    """Adds the reprojection error at the true pose; give no pose loss beside it.

    Every point is told where on the object its ray ends. Nothing says which points matter for the
    pose: weights get no gradient. Nor do 2D points, which would be drawn to the centre, where the
    error is smallest.

    Args:
        reprojection_weight: Factor of the added loss.
        **kwargs: As for :class:`ObjectLosses`.
    """

    def __init__(self, reprojection_weight: float = 1.0, **kwargs: dict | None) -> None:
        super().__init__(**kwargs)
        self.reprojection_weight = reprojection_weight

    def further_losses(self, objects: SampledObjects) -> dict[str, Tensor]:
        """``loss_reprojection``, on ``n`` samples of ``N`` points each."""
        camera, correspondences, samples, target, num_requested = objects
        boxes = torch.cat((target.dims, target.pose), dim=1)
        x3d = correspondences.noc * correspondences.dims.detach()[:, None]
        offset = camera.project(x3d, target.pose) - correspondences.x2d.detach()
        error = encode_reprojection_error(offset, boxes, camera.cam2img)  # (n, N, 2)
        huber = smooth_l1_loss(error, torch.zeros_like(error), reduction='none').sum(-1).mean(-1)
        total = (samples.weights * huber).sum() / num_requested
        return {'loss_reprojection': self.reprojection_weight * total}

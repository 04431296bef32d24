"""What the detector finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from ..structures import as_indices

__all__ = ['Detections']


class Detections(NamedTuple):
    """Detected objects of a batch, ``n`` of all images in one axis, best first.

    Attributes:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, camera frame, geometric centre, (n, 7).
        scores: Final scores, (n,).
        labels: Class indices, (n,).
        attributes: Attribute indices, legal for the class, (n,).
        velocities: Camera-frame velocity (x, z) in m/s, (n, 2).
        bboxes: Projected boxes x1 y1 x2 y2 in original pixels, edge based, (n, 4).
        cls_scores: Classification scores, (n,).
        pose_cov: Covariance of ``[x, y, z, yaw]``, (n, 4, 4).
        img_inds: Index of the image in the batch, (n,).
        samples: Monte Carlo samples ``[x, y, z, yaw]`` of the pose posterior, (n, S, 4); None where
            none were drawn, as the two following.
        log_weights: Unnormalised log-weights of the samples, (n, S).
        ess: Effective sample size in [1, S], (n,). Near 1 the samples say nothing.
        x3d: Object-frame points in metres, head by head, (n, N, 3); None unless asked for, as the
            two following.
        x2d: Their image points in original pixels, (n, N, 2).
        w2d: Their weights per axis, (n, N, 2).
    """

    boxes3d: Tensor
    scores: Tensor
    labels: Tensor
    attributes: Tensor
    velocities: Tensor
    bboxes: Tensor
    cls_scores: Tensor
    pose_cov: Tensor
    img_inds: Tensor
    samples: Tensor | None = None
    log_weights: Tensor | None = None
    ess: Tensor | None = None
    x3d: Tensor | None = None
    x2d: Tensor | None = None
    w2d: Tensor | None = None

    def select(self, keep: Tensor) -> Detections:
        """The detections that ``keep`` (bool mask or indices) names."""
        keep = as_indices(keep)
        return Detections(*(None if field is None else field[keep] for field in self))

    def ordered_points(self, order: Callable[[Tensor], Tensor]) -> Detections:
        """The same detections, their correspondences (n, N, d), if there are any, in an order."""
        fields = {name: getattr(self, name) for name in ('x3d', 'x2d', 'w2d')}
        return self._replace(
            **{name: points if points is None else order(points) for name, points in fields.items()}
        )

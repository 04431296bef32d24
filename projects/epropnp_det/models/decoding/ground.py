"""Distances from the ground: the objects of an image stand on one plane (docs/method.md 4.7).

How far away an object is and how large it is, an image tells only together: twice as large at twice
the distance, it looks the same. But its underside lies on the ground, and the ground is the same
for all objects of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .detections import Detections

__all__ = ['Ground', 'ground_planes', 'stand_on_ground']

ROUNDS = 4
"""Times that objects which do not fit are weighed anew."""
FREEDOM = 4.0
"""Degrees of freedom of Student's distribution of the misfits."""
MIN_DEPTH = 0.6
"""No object is brought farther away than by the inverse of this factor."""


class Ground(NamedTuple):
    """How far the ground and what stands on it are from how the camera is mounted.

    By default as measured on real nuScenes annotations, roughly (docs/results.md).

    Attributes:
        height_std: Standard deviation of the camera's height above the ground, in metres.
        slope_std: Of the slopes of the ground in the camera frame, across and along.
        roughness: Standard deviation of undersides from the plane, in metres.
        size_error: Standard deviation of an object's lower edge, as a share of its height.
        spread: Factor on the deviations of distances that the solver predicts.
    """

    height_std: float = 0.25
    slope_std: float = 0.025
    roughness: float = 0.1
    size_error: float = 0.06
    spread: float = 2.0

    @classmethod
    def from_config(cls, config: Mapping[str, float] | None) -> Ground | None:
        """The fields that a config names, the others as they are above; None for None.

        Raises:
            ValueError: If a field is unknown or a number not positive.
        """
        if config is None:
            return None
        unknown = sorted(set(config) - set(cls._fields))
        if unknown:
            raise ValueError(f'ground has no {unknown}; it has {list(cls._fields)}')
        ground = cls(**config)
        wrong = [name for name, value in ground._asdict().items() if not value > 0]
        if wrong:
            raise ValueError(f'{wrong} of ground must be positive')
        return ground


def stand_on_ground(found: Detections, mountings: Tensor, ground: Ground) -> Detections:
    """Scales objects about the camera so that those of an image stand on one plane.

    Position and size are scaled alike, so that all keep their place in the image. A plane is fitted
    to the undersides of all objects of an image, the likely and certain ones most, and to how the
    camera is mounted; then the log of each object's scale is the mean of what the solver (0) and
    the ground say, weighed by their variances. What fits badly, be it no object or not on the
    ground, counts less and moves less. Posteriors shrink as the variance of the scale does.

    Args:
        found: Detections, few of which are of the same object.
        mountings: The plane of each image under a level vehicle, ``n`` with ``n @ p = 1`` for its
            points p, (B, 3). Objects of images of which it is not known (NaN) stay as they are.
        ground: How far from that things are.

    Returns:
        The same objects with new boxes, covariances, samples and object-frame points.
    """
    if len(found.scores) == 0:
        return found
    undersides = _undersides(found, ground)
    known = mountings.isfinite().all(dim=1)
    level = mountings.new_tensor([0.0, 1.0, 0.0])
    priors = torch.where(known[:, None], mountings, level).double()
    planes = ground_planes(undersides, found.scores.double(), found.img_inds, priors, ground)
    depths, variance = undersides.against(planes[found.img_inds])
    # What seems to end above the horizon tells nothing of how far away the ground is.
    usable = known[found.img_inds] & (depths > MIN_DEPTH)
    trust = _trust(depths, variance).clamp(max=1) * usable
    solver_variance = undersides.scale_variance
    ground_variance = variance - solver_variance

    def share(scale_variance: Tensor) -> Tensor:
        return trust * scale_variance / (scale_variance + ground_variance)

    log_scale = -share(solver_variance) * depths.clamp(min=MIN_DEPTH).log()
    kept = 1 - share(solver_variance / ground.spread**2)
    return _scaled(found, log_scale.to(found.scores.dtype), kept.to(found.scores.dtype))


class _Undersides(NamedTuple):
    """Lower ends of ``n`` objects.

    Attributes:
        points: Where each seems to end, below its centre, in metres, (n, 3).
        variance: Of y there at the right distance, in square metres, (n,).
        scale_variance: Of the log of the scale of each, (n,).
    """

    points: Tensor
    variance: Tensor
    scale_variance: Tensor

    def against(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """How deep each ends beside the ground, seen from the camera, and the variance of that.

        Args:
            planes: The vector ``n`` of each, with ``n @ p = 1`` for the points p of the ground,
                (n, 3).

        Returns:
            ``n @ point``, 1 on the ground and 2 where the ground hides it at half of the distance,
            and its variance where 1 is true, (n,) each.
        """
        variance = self.scale_variance + self.variance * planes[:, 1].square()
        return (self.points * planes).sum(1), variance


def ground_planes(
    undersides: _Undersides, weights: Tensor, img_inds: Tensor, priors: Tensor, ground: Ground
) -> Tensor:
    """The plane of each image, as a vector ``n`` with ``n @ p = 1`` for its points p, (B, 3).

    The inverse depth of the ground is linear in the ray, which is known: ``1 / z = n @ (p / z)``.
    Least squares, weighed by variances and misfits (Student's t), with normal priors.
    """
    inverse_depth = 1 / undersides.points[:, 2].clamp(min=0.1)
    rays = undersides.points * inverse_depth[:, None]
    inverse_height = priors.norm(dim=1)
    slope_std = ground.slope_std * inverse_height
    height_std = ground.height_std * inverse_height.square()
    precisions = torch.stack([slope_std, height_std, slope_std], dim=1) ** -2
    planes = priors
    for _ in range(ROUNDS):
        depths, variance = undersides.against(planes[img_inds])
        # Errors are those of the fitted depths; what is far from fitting weighs as it is seen.
        fitted = inverse_depth * depths.clamp(0.8, 1.25)
        rows = rays * (weights * _trust(depths, variance) / variance / fitted.square())[:, None]
        squares = rows[:, :, None] * rays[:, None, :]
        matrix = torch.diag_embed(precisions).index_add(0, img_inds, squares)
        vector = (precisions * priors).index_add(0, img_inds, rows * inverse_depth[:, None])
        planes = torch.linalg.solve(matrix, vector)
    return planes


def _undersides(found: Detections, ground: Ground) -> _Undersides:
    boxes = found.boxes3d.double()
    height, (x, y, z) = boxes[:, 1], boxes[:, 3:6].unbind(1)
    deviation = found.pose_cov[:, 2, 2].double().sqrt() / z.clamp(min=0.1)
    return _Undersides(
        points=torch.stack([x, y + height / 2, z], dim=1),
        variance=ground.roughness**2 + (ground.size_error * height).square(),
        scale_variance=(ground.spread * deviation).square(),
    )


def _trust(depths: Tensor, variance: Tensor) -> Tensor:
    """Weight of each under Student's distribution: above 1 for the best, to 0 for the worst."""
    return (FREEDOM + 1) / (FREEDOM + (depths - 1).square() / variance)


def _scaled(found: Detections, log_scale: Tensor, kept: Tensor) -> Detections:
    """Detections scaled about the camera.

    Args:
        found: As they were.
        log_scale: Log of the factor on sizes and positions, (n,).
        kept: Share of the variance of the log of the distance that stays, (n,).
    """
    factor = log_scale.exp()
    ones = torch.ones_like(factor)
    cov = found.pose_cov
    along = cov[:, :, 2] / cov[:, 2:3, 2].clamp(min=1e-12).sqrt()  # what varies as z does
    cov = cov - (1 - kept)[:, None, None] * along[:, :, None] * along[:, None, :]
    units = torch.stack([factor, factor, factor, ones], dim=1)
    fields = dict(
        boxes3d=found.boxes3d * torch.stack([factor] * 6 + [ones], dim=1),
        pose_cov=cov * units[:, :, None] * units[:, None, :],
    )
    if found.samples is not None:
        ratio = found.samples[..., 2].clamp(min=0.1) / found.boxes3d[:, None, 5].clamp(min=0.1)
        factors = (ratio.log() * (kept.sqrt() - 1)[:, None] + log_scale[:, None]).exp()
        position = found.samples[..., :3] * factors[..., None]
        fields.update(samples=torch.cat([position, found.samples[..., 3:]], dim=-1))
    if found.x3d is not None:
        fields.update(x3d=found.x3d * factor[:, None, None])
    return found._replace(**fields)

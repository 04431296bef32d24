"""Measures poses and correspondences of annotated objects, detected or not.

The network is asked where training would ask it: at the point of the dense head that answers for
the object. What follows, from embedding to pose, is what inference does.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate, scatter
from mmdet3d.datasets import build_dataset
from torch import Tensor, nn

from epropnp_det.apis import init_detector
from epropnp_det.models.auxiliary import LidarPoints, SupervisedObjects, object_points
from epropnp_det.models.structures import Correspondences, GroundTruth, ImageGeometry, ObjectSamples
from epropnp_det.pnp import PerspectiveCamera
from epropnp_det.progress import progress

POINTS_PER_IMAGE = 24
"""At least the points that answer for objects, on average over a batch; all are looked at."""
LIDAR_REACH = 2.0
"""Pixels up to which a LiDAR point says what a correspondence shows."""


class Seen(NamedTuple):
    """What the head predicts for ``n`` objects, and what is true.

    Attributes:
        correspondences: Of one point per object.
        camera: Camera of each object.
        boxes3d: ``[l, h, w, x, y, z, yaw]``, (n, 7).
        img_inds: Image in the batch, (n,).
        labels: True classes, (n,).
    """

    correspondences: Correspondences
    camera: PerspectiveCamera
    boxes3d: Tensor
    img_inds: Tensor
    labels: Tensor


class Recorder(nn.Module):
    """Stands in for the losses of a head and keeps what they would judge."""

    seen: Seen

    def forward(
        self,
        pnp: nn.Module,
        camera: PerspectiveCamera,
        correspondences: Correspondences,
        samples: ObjectSamples,
        gt: GroundTruth,
        *_: object,
    ) -> dict[str, Tensor]:
        """Keeps the most central sample of each object, which is that of the largest weight."""
        order = samples.weights.argsort(stable=True)
        best = order.new_full((len(gt.labels),), -1)
        best[samples.gt_inds[order]] = order  # the last write wins
        found = best[best >= 0]
        gt_inds = samples.gt_inds[found]
        self.seen = Seen(
            Correspondences(*(field[found] for field in correspondences)),
            camera[found],
            gt.boxes3d[gt_inds],
            gt.img_inds[gt_inds],
            gt.labels[gt_inds],
        )
        return {}


class Measured(NamedTuple):
    """Quality of each of ``n`` objects.

    Attributes:
        position: Distance of the positions over the distance of the object.
        yaw: Angle between the yaws in degrees, 0 to 180.
        reprojection: Mean distance in pixels of the 2D points to the projections of their 3D points
            at the true pose, by weight.
        coordinates: Mean distance in metres of the 3D points to what LiDAR measured within
            ``LIDAR_REACH`` pixels, by weight; NaN where there is nothing.
        nll: Negative log-density of the true pose (per metre^3 and radian) in the posterior.
        ess: Effective share of the Monte Carlo samples.
    """

    position: np.ndarray
    yaw: np.ndarray
    reprojection: np.ndarray
    coordinates: np.ndarray
    nll: np.ndarray
    ess: np.ndarray


class Shown(NamedTuple):
    """What pictures of ``n`` objects need.

    Attributes:
        files: Image of each object.
        cam2img: Intrinsics, (n, 3, 3).
        truth: True boxes ``[l, h, w, x, y, z, yaw]``, (n, 7).
        found: Predicted boxes, (n, 7).
        x2d: 2D points in pixels, (n, N, 2).
        noc: Box-relative 3D points, (n, N, 3).
        weights: Their weights, mean of both axes, (n, N).
    """

    files: np.ndarray
    cam2img: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    x2d: np.ndarray
    noc: np.ndarray
    weights: np.ndarray


def measure(config: Path | Config, checkpoint: Path, seed: int = 0) -> tuple[Measured, Shown]:
    """Measures the objects of ``data.val``, whose pipeline must be one of training.

    Args:
        config: Config of the detector.
        checkpoint: Its weights.
        seed: Of the solver's draws.
    """
    model = init_detector(config, str(checkpoint), 'cpu')
    head = model.bbox_head
    head.losses, head.auxiliary = Recorder(), None
    head.samples_per_img = 2 * POINTS_PER_IMAGE  # half of the draw is uniform, without replacement
    dataset = build_dataset(copy.deepcopy(model.cfg.data.val))
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    measured, shown = [], []
    size = model.cfg.data.samples_per_gpu
    starts = range(0, len(dataset), size)
    for start in progress(list(starts)):
        items = [dataset[i] for i in range(start, min(start + size, len(dataset)))]
        batch = scatter(collate(items, len(items)), [-1])[0]
        with torch.no_grad():
            model.forward_train(**batch)
            one, other = judge(head, batch, generator)
        measured.append(one)
        shown.append(other)
    return (
        Measured(*map(np.concatenate, zip(*measured))),
        Shown(*map(np.concatenate, zip(*shown))),
    )


def judge(head: nn.Module, batch: dict, generator: torch.Generator) -> tuple[Measured, Shown]:
    """Solves the poses that the recorder has seen and compares them with the truth."""
    seen = head.losses.seen
    pred, truth = seen.correspondences, seen.boxes3d[:, 3:]
    points = (pred.x3d, pred.x2d, pred.w2d, seen.camera)
    start = head.pnp_test.initialize(*points, generator=generator)
    # The solution must not know the truth; the posterior may, which only helps its proposals.
    pose = head.pnp_test(*points, hypothesis=start).pose
    posterior = head.pnp_test.monte_carlo_forward(
        *points, pose_init=truth, generator=generator, hypothesis=start
    )
    weights = pred.weights.mean(-1)  # (n, N)
    share = weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)
    offset = seen.camera.project(pred.x3d, truth) - pred.x2d
    distance = (pose[:, :3] - truth[:, :3]).norm(dim=-1) / truth[:, :3].norm(dim=-1)
    angle = torch.remainder(pose[:, 3] - truth[:, 3] + math.pi, 2 * math.pi) - math.pi
    nll = posterior.cost_target + posterior.log_weights.logsumexp(0)
    values = (
        distance,
        angle.abs().rad2deg(),
        (share * offset.norm(dim=-1)).sum(-1),
        coordinate_errors(seen, share, batch),
        nll,
        posterior.ess / len(posterior.log_weights),
    )
    files = np.array([batch['img_metas'][i]['filename'] for i in seen.img_inds.tolist()])
    shown = (
        seen.camera.cam2img,
        seen.boxes3d,
        torch.cat([pred.dims, pose], dim=-1),
        pred.x2d,
        pred.noc,
        weights,
    )
    return (
        Measured(*(value.numpy() for value in values)),
        Shown(files.astype('U400'), *(value.numpy() for value in shown)),
    )


def coordinate_errors(seen: Seen, share: Tensor, batch: dict) -> Tensor:
    """Mean distance of 3D points to the LiDAR points that their 2D points show, metres, (n,)."""
    geometry = ImageGeometry.from_metas(batch['img_metas'])
    points = LidarPoints.pad(batch['lidar_points'], geometry)
    pred = seen.correspondences
    nothing = torch.zeros_like(pred.dims)
    objects = SupervisedObjects(
        nothing.new_zeros(len(nothing), 4), seen.boxes3d, seen.img_inds, nothing, nothing
    )
    x3d, inside = object_points(points, objects)  # (n, P, 3), (n, P)
    gaps = torch.cdist(pred.x2d, points.locations[seen.img_inds])  # (n, N, P)
    gap, index = gaps.masked_fill(~inside[:, None], math.inf).min(-1)  # (n, N)
    target = x3d.gather(1, index[..., None].expand(-1, -1, 3))
    share = share * (gap <= LIDAR_REACH)
    error = (share * (pred.x3d - target).norm(dim=-1)).sum(-1)
    return error / share.sum(-1)  # 0 / 0 is NaN: nothing to compare


def summary(measured: Measured) -> dict[str, float]:
    """Medians and shares over the objects, for the table."""
    return {
        'objects': len(measured.yaw),
        'position': float(np.median(measured.position)),
        'within_10_percent': float((measured.position < 0.1).mean()),
        'yaw': float(np.median(measured.yaw)),
        'within_15_degrees': float((measured.yaw < 15).mean()),
        'reversed': float((measured.yaw > 165).mean()),
        'reprojection': float(np.median(measured.reprojection)),
        'coordinates': float(np.nanmedian(measured.coordinates)),
        'nll': float(np.median(measured.nll)),
        'ess': float(np.median(measured.ess)),
    }

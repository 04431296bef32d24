"""LiDAR points of a batch, and which cell of which object each one supervises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from epropnp_det.pnp.pose import Pose4DoF

from ..structures import ImageGeometry
from .objects import SupervisedObjects

__all__ = ['CellTargets', 'LidarPoints', 'cell_targets', 'object_points']


class LidarPoints(NamedTuple):
    """Points of ``B`` images, padded to the same number ``P`` >= 1.

    Attributes:
        xyz: In the camera frame, metres, (B, P, 3).
        locations: In network pixels, (B, P, 2).
        valid: False for padding and for points off the canvas, bool (B, P).
    """

    xyz: Tensor
    locations: Tensor
    valid: Tensor

    @classmethod
    def pad(cls, points: Sequence[Tensor], geometry: ImageGeometry) -> LidarPoints:
        """Of what ``LoadLidarMono3D`` gives.

        Args:
            points: x, y, z in the camera frame and u, v in original pixels per image, (P, 5).
            geometry: Cameras of the images; ``img2net`` must be that of the pixels.

        Raises:
            ValueError: If there are not as many entries as images.
        """
        if len(points) != len(geometry.cam2img):
            raise ValueError(f'LiDAR points of {len(points)} for {len(geometry.cam2img)} images')
        like = geometry.cam2img
        counts = torch.tensor([len(rows) for rows in points], device=like.device)
        rows = [rows.to(like) for rows in points] + [like.new_zeros(1, 5)]
        padded = pad_sequence(rows, batch_first=True)[:-1]  # (B, P, 5)
        xyz, pixels = padded.split([3, 2], dim=-1)
        matrix = geometry.img2net
        locations = pixels @ matrix[:, :2, :2].transpose(1, 2) + matrix[:, None, :2, 2]
        on_canvas = ((locations >= 0) & (locations < geometry.net_size[:, None])).all(-1)
        exists = torch.arange(padded.shape[1], device=like.device) < counts[:, None]
        return cls(xyz, locations, exists & on_canvas)


class CellTargets(NamedTuple):
    """Object coordinates that LiDAR measured in the cells of regions of interest.

    Attributes:
        x3d: Mean object-frame point of each cell in metres, zero if there is none, (n, r * r, 3).
        occupied: Whether the cell holds a point, bool (n, r * r).
    """

    x3d: Tensor
    occupied: Tensor


def object_points(points: LidarPoints, objects: SupervisedObjects) -> tuple[Tensor, Tensor]:
    """Points of the image of each object in the object's frame, and which lie in its box.

    Args:
        points: Of B images, P each.
        objects: n objects.

    Returns:
        Object-frame points in metres, (n, P, 3); whether each is valid and in the box, bool (n, P).
    """
    dims, pose = objects.boxes3d.split([3, 4], dim=-1)
    offset = points.xyz[objects.img_inds] - pose[:, None, :3]  # (n, P, 3)
    x3d = offset @ Pose4DoF.rotation(pose)  # rows times R are R^T times columns
    inside = (x3d.abs() <= dims[:, None] / 2).all(-1)
    return x3d, inside & points.valid[objects.img_inds]


@torch.no_grad()
def cell_targets(points: LidarPoints, objects: SupervisedObjects, size: int) -> CellTargets:
    """Averages the points of each object per cell of its region.

    Source: docs/method.md 3.2, 8.4; docs/differences.md W42.

    Points of the object that lie beside its 2D box count in the nearest cell.

    Args:
        points: Of B images, P each.
        objects: n objects.
        size: Cells per side r.
    """
    x3d, inside = object_points(points, objects)
    corner, extent = objects.bboxes[:, None, :2], objects.bboxes[:, 2:] - objects.bboxes[:, :2]
    relative = (points.locations[objects.img_inds] - corner) / extent[:, None].clamp(min=1e-6)
    column, row = (relative * size).floor().clamp(0, size - 1).long().unbind(-1)  # (n, P)
    num_objects = len(objects.bboxes)
    first = torch.arange(num_objects, device=column.device)[:, None] * size**2
    cells = (first + row * size + column).flatten()  # (n * P,)
    # The fourth column counts; points outside the box add zero to both.
    values = torch.cat([x3d, torch.ones_like(x3d[..., :1])], dim=-1)
    values = torch.where(inside[..., None], values, torch.zeros_like(values)).flatten(0, 1)
    sums = values.new_zeros(num_objects * size**2, 4).index_add(0, cells, values)
    sums = sums.view(num_objects, size**2, 4)
    count = sums[..., 3:]
    return CellTargets(sums[..., :3] / count.clamp(min=1), count[..., 0] > 0)

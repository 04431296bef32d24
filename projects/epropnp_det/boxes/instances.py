"""Between mmdet3d's camera boxes and the plain box tensors of the models.

Inside: ``[l, h, w, x, y, z, yaw]`` about the geometric centre (docs/method.md 0). Outside:
``CameraInstance3DBoxes``, whose tensor is ``[x, y, z, l, h, w, yaw, vx, vz]`` about the centre of
the bottom face. Both measure yaw about the camera's +y axis (down), from +x towards -z.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet3d.core.bbox import CameraInstance3DBoxes
from torch import Tensor


def join_instances(instances: Sequence[CameraInstance3DBoxes]) -> CameraInstance3DBoxes:
    """All boxes of a batch as one, so that what follows takes one operation and not one per image.

    Args:
        instances: Boxes of each image, with seven columns or with nine, in any mixture.

    Returns:
        The boxes in order, nine columns; velocities are NaN where there were seven.
    """
    tensors = [boxes.tensor for boxes in instances]
    rows = [F.pad(rows, (0, 9 - rows.shape[1]), value=float('nan')) for rows in tensors]
    return CameraInstance3DBoxes(torch.cat(rows), box_dim=9)


def boxes3d_from_instance(boxes: CameraInstance3DBoxes) -> Tensor:
    """Plain boxes of mmdet3d's camera boxes.

    Args:
        boxes: ``n`` boxes with seven or more columns.

    Returns:
        ``[l, h, w, x, y, z, yaw]``, geometric centre, metres and radians, (n, 7).
    """
    return torch.cat([boxes.dims, boxes.gravity_center, boxes.yaw[:, None]], dim=-1)  # (n, 7)


def velocities_from_instance(boxes: CameraInstance3DBoxes) -> Tensor:
    """Camera-frame velocity (x, z) of mmdet3d's camera boxes.

    Args:
        boxes: ``n`` boxes with seven columns, or with nine of which the last two are the velocity.

    Returns:
        Velocity in m/s, (n, 2); NaN where unknown, and everywhere for boxes without velocity.
    """
    if boxes.tensor.shape[-1] < 9:
        return boxes.tensor.new_full((len(boxes), 2), float('nan'))
    return boxes.tensor[:, 7:9]


def instance_from_boxes3d(
    boxes3d: Tensor, velocities: Tensor | None = None
) -> CameraInstance3DBoxes:
    """mmdet3d's camera boxes, nine columns, of plain boxes.

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, geometric centre, (n, 7).
        velocities: Camera-frame velocity (x, z) in m/s, (n, 2); zero if None.

    Returns:
        The same boxes, float32 as mmdet3d keeps them.

    Raises:
        ValueError: If the shapes are not (n, 7) and (n, 2).
    """
    if boxes3d.dim() != 2 or boxes3d.shape[1] != 7:
        raise ValueError(f'boxes3d must be (n, 7) [l, h, w, x, y, z, yaw], got {boxes3d.shape}')
    if velocities is None:
        velocities = boxes3d.new_zeros(boxes3d.shape[0], 2)
    if velocities.shape != (boxes3d.shape[0], 2):
        raise ValueError(f'velocities must be ({boxes3d.shape[0]}, 2), got {velocities.shape}')
    columns = [boxes3d[:, 3:6], boxes3d[:, :3], boxes3d[:, 6:], velocities]
    return CameraInstance3DBoxes(torch.cat(columns, dim=-1), box_dim=9, origin=(0.5, 0.5, 0.5))

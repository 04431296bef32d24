"""3D boxes in the camera frame: corners, and the 2D box around their visible part."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

__all__ = ['box_corners', 'project_boxes']

_SIGNS = torch.tensor([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_EDGES = torch.tensor([[a, b] for a, b in combinations(range(8), 2) if bin(a ^ b).count('1') == 1])


def box_corners(boxes3d: Tensor) -> Tensor:
    """Corners of boxes.

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, (n, 7), camera frame, metres and radians.

    Returns:
        Camera-frame corners (n, 8, 3); the signs of object x, y, z are nested, z fastest.
    """
    local = boxes3d[:, None, :3] * _SIGNS.to(boxes3d)  # (n, 8, 3)
    cos, sin = boxes3d[:, None, 6].cos(), boxes3d[:, None, 6].sin()  # (n, 1)
    x, y, z = local.unbind(-1)
    rotated = torch.stack((cos * x + sin * z, y, cos * z - sin * x), dim=-1)
    return rotated + boxes3d[:, None, 3:6]


def project_boxes(boxes3d: Tensor, cam2img: Tensor, img_size: Tensor, near: float = 0.1) -> Tensor:
    """2D boxes around the part of each 3D box before the near plane, clipped to the image.

    The hull of a clipped box is spanned by its corners before the plane and the points where its
    edges cross the plane, so their extremes, in any order, are exact (cures W6 of method.md 10.1).

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, (n, 7).
        cam2img: Intrinsics of the image of each box, (n, 3, 3).
        img_size: Width and height of that image, (n, 2).
        near: Depth of the near plane in metres.

    Returns:
        x1 y1 x2 y2 in original pixels, (n, 4); all zero where no part is before the plane.
    """
    corners = box_corners(boxes3d)  # (n, 8, 3)
    start, end = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]  # (n, 12, 3)
    span = end[..., 2] - start[..., 2]
    crosses = (start[..., 2] - near) * (end[..., 2] - near) < 0  # (n, 12)
    fraction = (near - start[..., 2]) / torch.where(crosses, span, torch.ones_like(span))
    crossings = start + fraction[..., None] * (end - start)

    points = torch.cat((corners, crossings), dim=1)  # (n, 20, 3)
    visible = torch.cat((corners[..., 2] >= near, crosses), dim=1)[..., None]  # (n, 20, 1)
    homogeneous = points @ cam2img.transpose(1, 2)
    pixels = homogeneous[..., :2] / homogeneous[..., 2:].clamp(min=0.5 * near)
    low = torch.where(visible, pixels, pixels.new_tensor(float('inf'))).amin(dim=1)
    high = torch.where(visible, pixels, pixels.new_tensor(float('-inf'))).amax(dim=1)
    bboxes = torch.cat((low, high), dim=1)  # (n, 4)
    limits = img_size.repeat(1, 2).to(bboxes)
    clipped = torch.minimum(bboxes.clamp(min=0), limits)
    return torch.where(visible.any(dim=1), clipped, torch.zeros_like(clipped))

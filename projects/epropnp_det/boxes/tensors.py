"""3D boxes as corners, and the extent of their projection; torch, for targets and decoding.

Boxes are ``[l, h, w, x, y, z, yaw]`` in the camera frame (docs/method.md 0); ``cam2img`` may be
that of the network image. The same in numpy, for data and pictures, is
:mod:`epropnp_det.boxes.arrays`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..pnp.pose import Pose4DoF

__all__ = ['box_corners', 'project_boxes', 'projected_bounds']

# Corners are numbered by the bits of their signs; an edge joins two that differ in one bit.
_SIGNS = torch.tensor([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_EDGES = torch.tensor([(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit])


def box_corners(boxes3d: Tensor) -> Tensor:
    """Corners of boxes.

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, (n, 7), camera frame, metres and radians.

    Returns:
        Camera-frame corners (n, 8, 3); the signs of object x, y, z are nested, z fastest.
    """
    local = boxes3d[:, None, :3] * _SIGNS.to(boxes3d)  # (n, 8, 3)
    return local @ Pose4DoF.rotation(boxes3d[:, 3:]).transpose(1, 2) + boxes3d[:, None, 3:6]


def projected_bounds(boxes3d: Tensor, cam2img: Tensor, near: float) -> tuple[Tensor, Tensor]:
    """2D boxes around the part of each 3D box in front of the near plane.

    That part is convex, so its projection is spanned by its vertices: the corners in front and the
    points where edges cross the plane. Their extremes, in any order, are exact
    (docs/differences.md W6).

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, (n, 7).
        cam2img: Projection to the pixels wanted, last row [0, 0, 1], (n, 3, 3).
        near: Depth of the near plane in metres.

    Returns:
        x1 y1 x2 y2, unbounded, (n, 4), inf and -inf where nothing lies in front; and whether
        something does, bool (n,).
    """
    corners = box_corners(boxes3d)  # (n, 8, 3)
    start, end = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]  # (n, 12, 3)
    span = end[..., 2] - start[..., 2]
    crosses = (start[..., 2] - near) * (end[..., 2] - near) < 0  # (n, 12)
    fraction = (near - start[..., 2]) / torch.where(crosses, span, torch.ones_like(span))
    crossings = start + fraction[..., None] * (end - start)
    points = torch.cat((corners, crossings), dim=1)  # (n, 20, 3)
    in_front = torch.cat((corners[..., 2] >= near, crosses), dim=1)  # (n, 20)
    homogeneous = points @ cam2img.transpose(1, 2)
    # Points on the plane may fall behind it by rounding.
    pixels = homogeneous[..., :2] / homogeneous[..., 2:].clamp(min=0.5 * near)
    infinity = torch.full_like(pixels, float('inf'))
    low = torch.where(in_front[..., None], pixels, infinity).amin(dim=1)
    high = torch.where(in_front[..., None], pixels, -infinity).amax(dim=1)
    return torch.cat((low, high), dim=1), in_front.any(dim=1)


def project_boxes(
    boxes3d: Tensor,
    cam2img: Tensor,
    img_size: Tensor,
    near: float = 0.1,
    pixel_center: float = 0.5,
) -> Tensor:
    """2D boxes around the part of each 3D box before the near plane, clipped to the image.

    They are in mmdet's pixels: edge based, the image spans [0, width] x [0, height] and the width
    of a box is x2 - x1. What ``cam2img`` maps to is half a pixel less where the network takes the
    centre of the first pixel for 0 (v1, v1b), since it saw the object there.

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, (n, 7).
        cam2img: Intrinsics of the image of each box, (n, 3, 3).
        img_size: Width and height of that image, (n, 2).
        near: Depth of the near plane in metres.
        pixel_center: Coordinate of the centre of the first pixel in the frame of ``cam2img``: 0.5,
            or 0.0 for v1 and v1b.

    Returns:
        x1 y1 x2 y2 in original pixels, (n, 4); all zero where no part is before the plane.
    """
    bounds, visible = projected_bounds(boxes3d, cam2img, near)
    limits = img_size.repeat(1, 2).to(bounds)
    clipped = torch.minimum((bounds + (0.5 - pixel_center)).clamp(min=0), limits)
    return torch.where(visible[:, None], clipped, torch.zeros_like(clipped))

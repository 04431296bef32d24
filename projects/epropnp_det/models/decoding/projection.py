"""2D boxes of detections: what the image shows of each 3D box."""

from __future__ import annotations

import torch
from torch import Tensor

from ..box_geometry import projected_bounds

__all__ = ['project_boxes']


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

"""Projected volume centres of 3D boxes: the centre target of the dense head (docs/method.md 2.3).

For every image ray the thickness of the box is the depth at which the ray leaves it minus the depth
at which it enters. The volume centre is the centroid of the pixels of the canvas weighted by this
thickness. Unlike the projected box centre it always lies on the visible canvas, also for truncated
objects and for boxes that reach behind the camera.

The official implementation rasterises meshes on the feature grid. Here a ray / oriented-box slab
test gives the thickness in closed form, on a lattice of fixed size laid over the part of the canvas
that the box covers: memory does not depend on the image, no faces are lost in crowds, and an object
smaller than a grid cell still has its centre.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from epropnp_det.pnp.pose import Pose4DoF

from ...boxes.tensors import projected_bounds

_TINY_DIRECTION = 1e-9


class VolumeCenters(NamedTuple):
    """Volume centres of ``G`` boxes.

    Attributes:
        centers: Thickness-weighted centroids in network pixels, (G, 2). Always finite for finite
            input, but without meaning where ``volume`` is 0.
        volume: Thickness in metres summed over the cells (``stride`` x ``stride`` network pixels)
            of the canvas, (G,). 0 for boxes that no ray of the canvas meets; callers drop those
            below 1e-6.
    """

    centers: Tensor
    volume: Tensor


def _windows(boxes3d: Tensor, cam2net: Tensor, net_size: Tensor, near: float) -> Tensor:
    """Bounding boxes x1 y1 x2 y2 of the projections, clipped by near plane and canvas, (G, 4)."""
    bounds, _ = projected_bounds(boxes3d, cam2net, near)
    low, high = (torch.minimum(ends.clamp(min=0), net_size) for ends in bounds.split(2, dim=1))
    return torch.cat([low, torch.maximum(high, low)], dim=-1)


def _lattice(windows: Tensor, samples: int) -> Tensor:
    """Cell centres of a ``samples`` x ``samples`` lattice over each window, per axis, (G, k, 2)."""
    fractions = torch.arange(samples, device=windows.device, dtype=windows.dtype)
    fractions = ((fractions + 0.5) / samples)[None, :, None]  # (1, k, 1)
    return windows[:, None, :2] + fractions * (windows[:, None, 2:] - windows[:, None, :2])


def box_thickness(
    boxes3d: Tensor, net2ray: Tensor, x: Tensor, y: Tensor, near: float = 1e-2
) -> Tensor:
    """Depth interval that each ray spends inside a yawed box: the slab test.

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]`` in metres, camera frame, (G, 7).
        net2ray: Homogeneous network pixel -> ray direction with unit depth, (G, 3, 3).
        x: Network x, broadcastable with ``y``, (G, ...).
        y: Network y, (G, ...).
        near: Depth in metres at which rays start.

    Returns:
        Exit depth minus entry depth in metres, 0 where the ray misses, shape of ``x + y``.
    """
    to_object = Pose4DoF.rotation(boxes3d[:, 3:]).transpose(1, 2)  # (G, 3, 3)
    pixel2direction = (to_object[:, :, :, None] * net2ray[:, None]).sum(2)  # (G, 3, 3)
    origin = -(to_object * boxes3d[:, None, 3:6]).sum(-1)  # (G, 3)
    half = boxes3d[:, :3] / 2
    shape = (-1, 3) + (1,) * (x.dim() - 1)  # the axes of the object are the second dimension
    a, b, c = (column.reshape(shape) for column in pixel2direction.unbind(2))
    direction = a * x[:, None] + b * y[:, None] + c  # (G, 3, ...)
    tiny = torch.full_like(direction, _TINY_DIRECTION)
    direction = torch.where(direction.abs() < _TINY_DIRECTION, tiny, direction)
    middle = -origin.view(shape) / direction
    reach = half.view(shape) / direction.abs()
    entry = (middle - reach).amax(1).clamp(min=near)
    leave = (middle + reach).amin(1)
    return (leave - entry).clamp(min=0)


@torch.no_grad()
def volume_centers(
    boxes3d: Tensor,
    cam2img: Tensor,
    img2net: Tensor,
    net_size: Tensor,
    stride: float = 8,
    samples: int = 32,
    near: float = 1e-2,
) -> VolumeCenters:
    """Computes thickness-weighted centroids of boxes on the network canvas.

    The centroid over the feature grid of docs/method.md 2.3 is an integral over the canvas; here it
    is taken by the midpoint rule on ``samples`` x ``samples`` rays per box, whatever the size of
    box and image.

    Args:
        boxes3d: ``[l, h, w, x, y, z, yaw]``, geometric centre, metres, camera frame, (G, 7).
        cam2img: Intrinsics of each box's original image, last row [0, 0, 1], (G, 3, 3).
        img2net: Original pixel -> network pixel, affine, may mirror, (G, 3, 3).
        net_size: Width and height of each box's network canvas, (G, 2).
        stride: Side in network pixels of the cells in which ``volume`` is counted.
        samples: Rays per box and axis.
        near: Near plane in metres; what lies nearer, or behind the camera, does not count.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    num = boxes3d.shape[0]
    expected = {(num, 7): boxes3d, (num, 3, 3): cam2img, (num, 2): net_size}
    for shape, value in [*expected.items(), ((num, 3, 3), img2net)]:
        if tuple(value.shape) != shape:
            raise ValueError(
                f'volume_centers needs boxes3d (G, 7), cam2img and img2net (G, 3, 3), '
                f'net_size (G, 2); got {tuple(value.shape)} where {shape} was expected: '
                f'index the per-image matrices '
                f'with the img_inds of the boxes'
            )
    net_size = net_size.to(boxes3d)
    cam2net = (img2net[:, :, :, None] * cam2img[:, None]).sum(2).to(boxes3d)
    windows = _windows(boxes3d, cam2net, net_size, near)
    lattice = _lattice(windows, samples)
    x, y = lattice[:, None, :, 0], lattice[:, :, None, 1]  # (G, 1, k), (G, k, 1)
    net2ray = torch.linalg.inv_ex(cam2net).inverse  # unlike inv, waits for no device to check
    thickness = box_thickness(boxes3d, net2ray, x, y, near)  # (G, k, k)
    total = thickness.sum((1, 2))  # (G,)
    safe = total.where(total > 0, torch.ones_like(total))
    centroid = torch.stack([(thickness * x).sum((1, 2)), (thickness * y).sum((1, 2))], -1)
    middle = (windows[:, :2] + windows[:, 2:]) / 2
    centers = torch.where((total > 0)[:, None], centroid / safe[:, None], middle)  # (G, 2)
    cell = (windows[:, 2:] - windows[:, :2]).prod(-1) / (samples * stride) ** 2
    return VolumeCenters(centers, total * cell)

"""Dense outputs of mirrored views on the cells of the first view (docs/method.md 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..structures import DenseOutput, ImageGeometry

__all__ = ['align_views', 'average_logits', 'mirror_map']

TOLERANCE = 1e-2
"""How far, in network pixels, a view may be from the exact mirror image."""


def align_views(
    outputs: Sequence[DenseOutput], geometries: Sequence[ImageGeometry]
) -> list[DenseOutput]:
    """Reads the dense outputs of all views at the points of the first one.

    Args:
        outputs: One per view.
        geometries: Cameras and image transforms of the views; the network canvas of each must be
            that of the first or its mirror image.

    Returns:
        One output per view; the values of ``centers`` stay in the pixels of their own view.

    Raises:
        ValueError: If a view is something else.
    """
    reference = geometries[0]
    return [
        _mirror_output(output, reference.net_size[:, 0])
        if _is_mirrored(geometry, reference, index)
        else output
        for index, (output, geometry) in enumerate(zip(outputs, geometries))
    ]


def average_logits(outputs: Sequence[DenseOutput]) -> DenseOutput:
    """The first output with the mean class and centerness logits of all."""

    def mean(name: str) -> list[Tensor]:
        levels = zip(*(getattr(output, name) for output in outputs))
        return [torch.stack(maps).mean(0) for maps in levels]

    if len(outputs) == 1:
        return outputs[0]
    return outputs[0]._replace(cls_logits=mean('cls_logits'), centerness=mean('centerness'))


def mirror_map(level: Tensor, stride: int, widths: Tensor) -> Tensor:
    """Reads a map at the mirror images of its points.

    Point ``i`` lies at ``i * stride + stride // 2`` and its mirror image at ``width`` minus that.
    Where the stride divides the width this is another point, and the map is read exactly; elsewhere
    (stride 128 of the published 1600 pixels) it lies between two, and the map is interpolated. The
    official code flips the whole map, half a cell beside (docs/differences.md W19). Points that
    have their mirror image beyond the map, which are in the padding, read its border.

    Args:
        level: (B, C, h, w).
        stride: Stride of the map in network pixels.
        widths: Width of each valid canvas in network pixels, (B,).

    Returns:
        (B, C, h, w).
    """
    num_columns = level.shape[-1]
    columns = torch.arange(num_columns, device=level.device, dtype=widths.dtype)
    position = (widths[:, None] - 2 * (stride // 2)) / stride - columns  # (B, w)
    left = position.floor()
    share = (position - left).to(level)[:, None, None]  # (B, 1, 1, w)

    def read(index: Tensor) -> Tensor:
        index = index.long().clamp(0, num_columns - 1)
        return level.gather(3, index[:, None, None].expand_as(level))

    return (1 - share) * read(left) + share * read(left + 1)


def _mirror_output(output: DenseOutput, widths: Tensor) -> DenseOutput:
    def mirrored(maps: list[Tensor]) -> list[Tensor]:
        return [mirror_map(level, s, widths) for level, s in zip(maps, output.strides)]

    return DenseOutput(
        cls_logits=mirrored(output.cls_logits),
        centerness=mirrored(output.centerness),
        centers=mirrored(output.centers),
        embeddings=mirrored(output.embeddings),
        bboxes=None,
        strides=output.strides,
    )


def _is_mirrored(geometry: ImageGeometry, reference: ImageGeometry, index: int) -> bool:
    """Whether the view mirrors the canvas of the reference; False if it is the same."""
    same_size = torch.equal(geometry.net_size, reference.net_size)
    same_camera = torch.equal(geometry.cam2img, reference.cam2img)
    net2net = torch.linalg.solve(
        reference.img2net.double().transpose(1, 2), geometry.img2net.double().transpose(1, 2)
    ).transpose(1, 2)  # (B, 3, 3), network pixels of the reference -> those of the view
    identity = torch.eye(3, dtype=net2net.dtype, device=net2net.device).expand_as(net2net)
    mirror = identity.clone()
    mirror[:, 0, 0] = -1
    mirror[:, 0, 2] = reference.net_size[:, 0].double()
    size = reference.net_size.double()
    corner = torch.cat([size, torch.ones_like(size[:, :1])], dim=1)[..., None]  # (B, 3, 1)
    for mirrored, expected in ((False, identity), (True, mirror)):
        distance = ((net2net - expected).abs() @ corner).max()  # bounds that of all pixels
        if same_size and same_camera and distance < TOLERANCE:
            return mirrored
    raise ValueError(
        f'view {index} is neither the first view nor its mirror image; in the test pipeline use '
        'MultiScaleFlipAug with one scale, flip=True and flip_direction="horizontal", and margins '
        'that CropMono3D cuts off equally on the left and on the right'
    )

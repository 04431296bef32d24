"""The values that travel between the parts of the network; immutable, shapes as written."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Crops(NamedTuple):
    """What is known of ``B`` crops besides their pixels.

    Attributes:
        grid: Pixel coordinates of the cells, (B, h, w, 2).
        cell: Size of a cell in the same pixels, (B,).
        cam2img: Intrinsics to the same pixels, (B, 3, 3).
        half_extents: Of the object's bounding box, metres, (B, 3).
        center: Of the object's bounding box, in the object frame, metres, (B, 3).
    """

    grid: Tensor
    cell: Tensor
    cam2img: Tensor
    half_extents: Tensor
    center: Tensor


class Targets(NamedTuple):
    """Ground truth of ``B`` crops.

    Attributes:
        poses: Equivalent poses, the annotated one first, ``[x, y, z, qw, qx, qy, qz]``, (B, M, 7).
        noc: Normalised coordinates of the visible surface for each of them, (B, M, 3, h, w).
        mask: Share of the object in each cell, (B, h, w).
    """

    poses: Tensor
    noc: Tensor
    mask: Tensor


class Maps(NamedTuple):
    """What the network predicts for a crop.

    Attributes:
        noc: Normalised object coordinates, about [-1, 1], (B, 3, h, w).
        logits: Of the weights along image x and y, (B, 2, h, w).
        scale: Positive, along image x and y, (B, 2).
    """

    noc: Tensor
    logits: Tensor
    scale: Tensor


class Correspondences(NamedTuple):
    """Weighted points of ``B`` objects, as the EPro-PnP layer takes them.

    Attributes:
        x3d: Object frame, metres, (B, n, 3).
        x2d: Pixels, (B, n, 2).
        w2d: Weights along image x and y, (B, n, 2).
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor

"""The values that flow through the detector: small, immutable, concatenated over the batch.

Objects and ground truth of all images lie in one axis, and ``img_inds`` says whose they are, so no
module below loops over images. Frames and units: camera frame x right, y down, z forward in metres;
boxes ``[l, h, w, x, y, z, yaw]`` about the geometric centre; pixels are edge based (the centre of
the first pixel is 0.5). "Image" pixels are those of the original image, "network" pixels those of
the tensor that the backbone sees; ``img2net`` maps the former to the latter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

UNKNOWN_PLANE = (float('nan'),) * 3


def as_indices(keep: Tensor) -> Tensor:
    """Indices of what a mask keeps; every indexing by the mask itself would wait for the device.

    Args:
        keep: bool mask (n,), or indices already.

    Returns:
        Indices, (m,).
    """
    return keep.nonzero()[:, 0] if keep.dtype == torch.bool else keep


class ImageGeometry(NamedTuple):
    """Cameras of a batch of ``B`` images and what the pipeline did to the pixels.

    Attributes:
        cam2img: Intrinsics of the original images, (B, 3, 3).
        img2net: Original pixel -> network pixel, affine, (B, 3, 3).
        img_size: Width and height of the original images, (B, 2).
        net_size: Width and height of the valid network canvas, without padding, (B, 2).
        ground_planes: Vectors ``n`` with ``n @ p = 1`` for the points p of the ground in the camera
            frame, as the cameras are mounted, in 1 / m, NaN where that is unknown, (B, 3).
    """

    cam2img: Tensor
    img2net: Tensor
    img_size: Tensor
    net_size: Tensor
    ground_planes: Tensor | None = None

    @property
    def flipped(self) -> Tensor:
        """Whether ``img2net`` mirrors the image, bool (B,)."""
        (a, b), (c, d) = (row.unbind(-1) for row in self.img2net[:, :2, :2].unbind(-2))
        return a * d < b * c  # a determinant by elimination is a dozen launches on a GPU

    @classmethod
    def from_metas(
        cls, img_metas: Sequence[dict], device: torch.device | str = 'cpu'
    ) -> ImageGeometry:
        """Collects ``cam2img``, ``img2net``, ``ori_shape`` and ``img_shape`` of mmdet3d metas.

        Also ``ground_plane`` of those that have it.

        Raises:
            KeyError: If the pipeline did not collect one of these keys.
        """
        needed = ('cam2img', 'img2net', 'ori_shape', 'img_shape')
        for meta in img_metas:
            missing = [key for key in needed if key not in meta]
            if missing:
                raise KeyError(
                    f'image meta lacks {missing}; use the Mono3D steps of epropnp_det.datasets and '
                    f'list {list(needed)} in Collect3D(meta_keys=...)'
                )

        def stack(values: list) -> Tensor:
            array = np.stack([np.asarray(value, dtype=np.float32) for value in values])
            return torch.from_numpy(array).to(device)

        return cls(
            cam2img=stack([np.asarray(meta['cam2img'])[:3, :3] for meta in img_metas]),
            img2net=stack([meta['img2net'] for meta in img_metas]),
            img_size=stack([meta['ori_shape'][1::-1] for meta in img_metas]),
            net_size=stack([meta['img_shape'][1::-1] for meta in img_metas]),
            ground_planes=stack([meta.get('ground_plane', UNKNOWN_PLANE) for meta in img_metas]),
        )


class GroundTruth(NamedTuple):
    """Ground truth of a batch, ``G`` objects of all images in one axis.

    Attributes:
        bboxes: 2D boxes x1 y1 x2 y2 in network pixels, (G, 4).
        labels: Class indices, (G,).
        boxes3d: ``[l, h, w, x, y, z, yaw]`` in the camera frame, geometric centre, (G, 7).
        velocities: Camera-frame velocity (x, z) in m/s, NaN where unknown, (G, 2).
        attributes: Attribute indices, (G,).
        img_inds: Index of the image in the batch, (G,).
    """

    bboxes: Tensor
    labels: Tensor
    boxes3d: Tensor
    velocities: Tensor
    attributes: Tensor
    img_inds: Tensor

    def select(self, keep: Tensor) -> GroundTruth:
        """The objects that ``keep`` (bool mask or indices) names."""
        keep = as_indices(keep)
        return GroundTruth(*(field[keep] for field in self))


class DenseOutput(NamedTuple):
    """Raw output of the FCOS-style head, one tensor per pyramid level, shapes (B, C, h, w).

    Attributes:
        cls_logits: Class logits, C = classes.
        centerness: Centerness logits, C = 1.
        centers: Projected object centres in network pixels, C = 2, or 2 x classes when class aware
            (channel ``2 * label + axis``).
        embeddings: Object embeddings, C = embedding channels.
        bboxes: Distances (l, t, r, b) to the 2D box sides in network pixels, C = 4; None at test
            time and for versions without the box branch.
        strides: Stride of each level.
    """

    cls_logits: list[Tensor]
    centerness: list[Tensor]
    centers: list[Tensor]
    embeddings: list[Tensor]
    bboxes: list[Tensor] | None
    strides: tuple[int, ...]


class ObjectQueries(NamedTuple):
    """Objects for the correspondence head, ``n`` of all images in one axis.

    Attributes:
        embeddings: (n, C).
        centers: Predicted centres in network pixels, (n, 2).
        strides: Stride of the pyramid level each came from, float (n,).
        img_inds: Index of the image in the batch, (n,).
        labels: Class indices, (n,).
    """

    embeddings: Tensor
    centers: Tensor
    strides: Tensor
    img_inds: Tensor
    labels: Tensor


class ObjectSamples(NamedTuple):
    """Training samples drawn from the positive points (docs/method.md 3.1).

    Attributes:
        queries: What the correspondence head gets.
        gt_inds: Row of each sample in ``GroundTruth``, (n,).
        weights: Balanced weights: every object has equal total weight, mean 1, (n,).
        uniform_weights: 1 / (samples of that object), mean 1; for the 3D score only, (n,).
    """

    queries: ObjectQueries
    gt_inds: Tensor
    weights: Tensor
    uniform_weights: Tensor


class DenseFeatures(NamedTuple):
    """Maps at the output stride that the deformable attention samples, (B, C, h, w).

    Attributes:
        key: Keys.
        value: Values.
        stride: Output stride in network pixels.
    """

    key: Tensor
    value: Tensor
    stride: int


class Correspondences(NamedTuple):
    """2D-3D correspondences and the other predictions of ``n`` objects with ``N`` points each.

    Attributes:
        noc: Box-relative coordinates, already mirrored back for flipped images, (n, N, 3).
        x2d: Image points in original pixels, (n, N, 2).
        weights: Softmax weights times validity, before the scale, (n, N, 2).
        scale: Global weight scale per axis, > 0, (n, 2).
        dims: Decoded dimensions l, h, w of the class in metres, (n, 3).
        encoded_dims: What the dimension coder decoded, (n, 3).
        score_logits: 3D score logits, (n,).
        velocities: Camera-frame velocity (x, z) in m/s, mirrored back for flipped images, (n, 2).
        attr_logits: Attribute logits, (n, A).
    """

    noc: Tensor
    x2d: Tensor
    weights: Tensor
    scale: Tensor
    dims: Tensor
    encoded_dims: Tensor
    score_logits: Tensor
    velocities: Tensor
    attr_logits: Tensor

    @property
    def x3d(self) -> Tensor:
        """Object-frame points in metres, (n, N, 3)."""
        return self.noc * self.dims[:, None]

    @property
    def w2d(self) -> Tensor:
        """Final weights, (n, N, 2)."""
        return self.weights * self.scale[:, None]

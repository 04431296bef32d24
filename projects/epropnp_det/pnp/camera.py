"""Pinhole camera with image bounds, as a value (docs/method.md 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

import torch
from torch import Tensor

Bound = Union[Tensor, float, None]


@dataclass(frozen=True)
class PerspectiveCamera:
    """Pinhole cameras, one per object, in the pixels of the original image.

    A camera-frame point ``p`` projects to ``K p`` divided by ``max(z, z_min)``; the result is
    clamped to the bounds, so that points far outside the image cost a bounded amount and carry no
    gradient.

    Attributes:
        cam2img: Intrinsics with last row [0, 0, 1], (..., 3, 3). Skew is respected.
        z_min: Depth, in metres, below which points are held.
        lower: Smallest pixel coordinates, a number, (2,) or (..., 2); None for no bound.
        upper: Largest pixel coordinates, likewise.
    """

    cam2img: Tensor
    z_min: float = 0.1
    lower: Bound = None
    upper: Bound = None

    def __post_init__(self) -> None:
        if self.cam2img.shape[-2:] != (3, 3):
            raise ValueError(
                f'cam2img must be (..., 3, 3), got {tuple(self.cam2img.shape)}; '
                'cut a 4x4 or 3x4 matrix to its upper left 3x3 block'
            )
        if not self.z_min > 0:
            raise ValueError(f'z_min must be positive, got {self.z_min}')

    @classmethod
    def from_image_size(
        cls,
        cam2img: Tensor,
        img_size: Tensor,
        border: float = 200.0,
        pixel_center: float = 0.5,
        z_min: float = 0.1,
    ) -> PerspectiveCamera:
        """Bounds the projections to the image grown by ``border`` on every side.

        Args:
            cam2img: (..., 3, 3).
            img_size: Width and height of the original image, (..., 2) or (2,).
            border: Pixels.
            pixel_center: Coordinate of the centre of the first pixel: 0.5 where pixels are edge
                based (EPro-PnP-Det v2), 0 where they are integer centred (v1, v1b).
            z_min: Metres.
        """
        img_size = img_size.to(cam2img)
        edge = pixel_center - 0.5
        return cls(
            cam2img=cam2img,
            z_min=z_min,
            lower=torch.full_like(img_size, edge - border),
            upper=img_size + (edge + border),
        )

    def __getitem__(self, index: Any) -> PerspectiveCamera:
        """Cameras of some objects; ``index`` applies to the leading axes."""

        def pick(bound: Bound) -> Bound:
            return bound[index] if isinstance(bound, Tensor) and bound.dim() > 1 else bound

        return PerspectiveCamera(
            self.cam2img[index], self.z_min, pick(self.lower), pick(self.upper)
        )

    def bounds(self) -> tuple[Tensor | None, Tensor | None]:
        """Lower and upper bound as tensors that broadcast to (..., 2), or None."""

        def expand(bound: Bound) -> Tensor | None:
            if bound is None:
                return None
            tensor = torch.as_tensor(bound, dtype=self.cam2img.dtype, device=self.cam2img.device)
            return tensor.expand(2) if tensor.dim() == 0 else tensor

        return expand(self.lower), expand(self.upper)

    def project_camera_points(self, points: Tensor) -> Tensor:
        """Projects camera-frame points.

        Args:
            points: Metres, (..., N, 3), where the leading axes end with those of ``cam2img``.

        Returns:
            Clamped pixel coordinates, (..., N, 2).
        """
        homogeneous = points @ self.cam2img.transpose(-1, -2)
        depth = homogeneous[..., 2:].clamp(min=self.z_min)
        pixels = homogeneous[..., :2] / depth
        lower, upper = self.bounds()
        if lower is not None:
            pixels = torch.maximum(pixels, lower[..., None, :])
        if upper is not None:
            pixels = torch.minimum(pixels, upper[..., None, :])
        return pixels

    def project(self, x3d: Tensor, pose: Tensor) -> Tensor:
        """Projects object-frame points under 4DoF or 6DoF poses.

        Args:
            x3d: Object-frame points in metres, (..., N, 3).
            pose: (..., 4) or (..., 7); may have more leading axes (samples) than ``x3d``.

        Returns:
            Clamped pixel coordinates, (..., N, 2).
        """
        from .pose import parametrization_of

        rotation = parametrization_of(pose).rotation(pose)
        points = x3d @ rotation.transpose(-1, -2) + pose[..., None, :3]
        return self.project_camera_points(points)

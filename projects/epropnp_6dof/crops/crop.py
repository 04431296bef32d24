"""One 2 x 3 matrix takes the image to the crop; everything else derives from it.

Pixel coordinates are integers at pixel centres, as LineMOD's intrinsics have it. Boxes ``x, y, w,
h`` are pixel counts, so that a box covers ``x - 0.5 .. x + w - 0.5``.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Crop(NamedTuple):
    """A square window of an image, perhaps turned, seen at a fixed resolution.

    A turned crop shows what a camera turned about its optical axis would see: its grid and its
    intrinsics are those of the *level* image, which is the image turned about the crop's centre.
    The pose is that of the untouched camera all the same.

    Attributes:
        center: Window centre, pixels, (2,).
        size: Side of the window, pixels.
        angle: Turn of the content from x towards y, radians.
        resolution: Side of the crop, crop pixels.
        grid_size: Side of the grid, cells.
    """

    center: np.ndarray
    size: float
    angle: float
    resolution: int
    grid_size: int

    @property
    def cell(self) -> float:
        """Side of a cell in pixels of the image."""
        return self.size / self.grid_size

    def turn(self) -> np.ndarray:
        """Image to level image, (3, 3)."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        matrix[:2, 2] = self.center - matrix[:2, :2] @ self.center
        return matrix

    def matrix(self, side: int | None = None) -> np.ndarray:
        """Image to crop, or to a crop of another side such as the grid, (2, 3)."""
        side = self.resolution if side is None else side
        zoom = np.eye(3)
        zoom[[0, 1], [0, 1]] = side / self.size
        zoom[:2, 2] = (side - 1) / 2 - zoom[0, 0] * self.center
        return (zoom @ self.turn())[:2]

    def cut(
        self,
        image: np.ndarray,
        side: int | None = None,
        smooth: bool = True,
        corner: tuple[int, int] = (0, 0),
    ) -> np.ndarray:
        """The window of an image, black where it leaves the image.

        Args:
            image: (H, W) or (H, W, C).
            side: Of the result; the crop's resolution by default.
            smooth: Bilinear; nearest otherwise.
            corner: Column and row of ``image[0, 0]`` where ``image`` is a part of a larger one.

        Returns:
            (side, side) or (side, side, C), of the image's type.
        """
        side = self.resolution if side is None else side
        flags = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        matrix = self.matrix(side)
        matrix[:, 2] += matrix[:, :2] @ corner
        return cv2.warpAffine(image, matrix, (side, side), flags=flags)

    def grid(self) -> np.ndarray:
        """Centres of the cells in pixels of the level image, (g, g, 2) float64."""
        steps = (np.arange(self.grid_size) + 0.5 - self.grid_size / 2) * self.cell
        columns, rows = np.meshgrid(self.center[0] + steps, self.center[1] + steps)
        return np.stack([columns, rows], -1)

    def cam2img(self, cam2img: np.ndarray) -> np.ndarray:
        """Intrinsics of the level image, (3, 3)."""
        return self.turn() @ cam2img


def box_crop(
    box: np.ndarray, resolution: int, grid_size: int, padding: float = 1.5, limit: float = np.inf
) -> Crop:
    """The crop of a detection: its centre, its longer side times ``padding``, ``limit`` at most."""
    x, y, width, height = np.asarray(box, np.float64)
    center = np.array([x + width / 2 - 0.5, y + height / 2 - 0.5])
    size = min(padding * max(width, height), limit)
    return Crop(center, max(size, 1.0), 0.0, resolution, grid_size)


def jittered_crop(
    box: np.ndarray,
    resolution: int,
    grid_size: int,
    rng: np.random.RandomState,
    padding: float = 1.5,
    shift: float = 0.25,
    zoom: float = 0.25,
    max_angle: float = 0.0,
    limit: float = np.inf,
) -> Crop:
    """Dynamic zoom-in (docs/method_6dof.md 3): a crop moved, resized and perhaps turned at random.

    Args:
        box: x, y, width, height.
        resolution: See `Crop`.
        grid_size: See `Crop`.
        rng: Source of the draws.
        padding: Window per longer side of the box.
        shift: Largest shift per side of the box.
        zoom: Largest relative change of the window.
        max_angle: Largest turn, radians.
        limit: Largest window, pixels.
    """
    x, y, width, height = np.asarray(box, np.float64)
    factor, dx, dy, turn = rng.uniform(-1, 1, 4)
    moved = np.array([x + shift * dx * width, y + shift * dy * height, width, height])
    crop = box_crop(moved, resolution, grid_size, padding * (1 + zoom * factor), limit)
    return crop._replace(angle=turn * max_angle)


_OFFSETS = (
    (0, 0, 1),
    (0.08, 0.08, 1.1),
    (-0.08, -0.08, 0.9),
    (0.08, -0.08, 0.92),
    (-0.08, 0.08, 1.08),
)


def neighbouring_crops(crop: Crop, count: int) -> list[Crop]:
    """The crop and others of the same object a little beside it, whose predictions are joined.

    Args:
        crop: Not turned.
        count: 1 to 5.

    Raises:
        ValueError: If there are not so many.
    """
    if not 1 <= count <= len(_OFFSETS):
        raise ValueError(f'test_crops must be 1 to {len(_OFFSETS)}, got {count}')
    return [
        crop._replace(center=crop.center + crop.size * np.array([dx, dy]), size=crop.size * zoom)
        for dx, dy, zoom in _OFFSETS[:count]
    ]

"""The crop of the released networks, with its faults (docs/method_6dof.md 3.1, 3.2; X1, X3).

Released weights have learned these: windows of whole pixels, a grid without half cells, and, where
the window leaves the image at the left, top or bottom, a grid that is off by half the overhang.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .crop import Crop


class OfficialCrop(NamedTuple):
    """A square window of whole pixels; takes the place of `Crop`.

    Attributes:
        left: First column, may lie outside the image.
        top: First row.
        side: Of the window, pixels.
        resolution: Side of the crop, crop pixels.
        grid_size: Side of the grid, cells.
        image_size: Width and height of the image.
        fix_overhang: Whether the grid is right where the window leaves the image.
    """

    left: int
    top: int
    side: int
    resolution: int
    grid_size: int
    image_size: tuple[int, int]
    fix_overhang: bool = False

    @property
    def cell(self) -> float:
        """Side of a cell in pixels."""
        return self.side / self.grid_size

    @property
    def center(self) -> np.ndarray:
        """Centre as the official code returns it, (2,)."""
        start, stop = np.array([self.left, self.top]), np.array([self.left, self.top]) + self.side
        if not self.fix_overhang:
            start = start.clip(0)
            stop[1] = min(stop[1], self.image_size[1])  # the right end is not clipped
        return (start + stop) / 2

    @property
    def origin(self) -> np.ndarray:
        """Image coordinates that the grid gives its first cell, (2,)."""
        return np.trunc(self.center) - self.side / 2 if not self.fix_overhang else self._corner()

    def _corner(self) -> np.ndarray:
        # The published grid of a window of odd side lies half a pixel to the left and above.
        return np.array([self.left, self.top]) - (self.side % 2) / 2

    def matrix(self, side: int | None = None) -> np.ndarray:
        """Image to the resized window, (2, 3); see `Crop.matrix`."""
        zoom = (self.resolution if side is None else side) / self.side
        shift = zoom * (0.5 - np.array([self.left, self.top])) - 0.5
        return np.array([[zoom, 0.0, shift[0]], [0.0, zoom, shift[1]]])

    def cut(
        self,
        image: np.ndarray,
        side: int | None = None,
        smooth: bool = True,
        corner: tuple[int, int] = (0, 0),
    ) -> np.ndarray:
        """The window, black outside the image, resized; see `Crop.cut`. Result in float64."""
        side = self.resolution if side is None else side
        window = np.zeros((self.side, self.side, *image.shape[2:]))
        left, top = self.left - corner[0], self.top - corner[1]
        height, width = image.shape[:2]
        rows = slice(max(top, 0), min(top + self.side, height))
        columns = slice(max(left, 0), min(left + self.side, width))
        if rows.start < rows.stop and columns.start < columns.stop:
            part = image[rows, columns]
            y, x = rows.start - top, columns.start - left
            window[y : y + part.shape[0], x : x + part.shape[1]] = part
        how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        return cv2.resize(window, (side, side), interpolation=how)

    def grid(self) -> np.ndarray:
        """Image coordinates of the cells, (g, g, 2)."""
        steps = np.arange(self.grid_size) * self.cell
        columns, rows = np.meshgrid(self.origin[0] + steps, self.origin[1] + steps)
        return np.stack([columns, rows], -1)

    def cam2img(self, cam2img: np.ndarray) -> np.ndarray:
        """Intrinsics of the grid's coordinates: those of the image."""
        return np.asarray(cam2img, np.float64)


def official_crop(
    crop: Crop, image_size: tuple[int, int], fix_overhang: bool = False
) -> OfficialCrop:
    """The official window for the same centre and size.

    Args:
        crop: Not turned.
        image_size: Width and height of the image.
        fix_overhang: See `OfficialCrop`.

    Raises:
        ValueError: If the crop is turned.
    """
    if crop.angle:
        raise ValueError('the official grid knows no turned crops: set jitter.max_angle to 0')
    side = max(int(crop.size), 1)
    # Official boxes have their centre at x + w / 2, half a pixel beside that of the pixels.
    left, top = (int(int(value + 0.5) - side / 2 + 0.5) for value in crop.center)
    return OfficialCrop(left, top, side, crop.resolution, crop.grid_size, image_size, fix_overhang)

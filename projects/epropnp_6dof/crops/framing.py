"""How a data set turns the box of an object into crops; training, test and inference agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from . import AnyCrop
from .crop import Crop, box_crop, jittered_crop, neighbouring_crops
from .official import official_crop


class Framing(NamedTuple):
    """Size of the crops, and which grid they get.

    Attributes:
        resolution: Side of the crops.
        grid_size: Side of the grid.
        padding: Side of the window per longer side of the box.
        limit: Largest window in pixels.
        official_grid: Whether crops are those of the released networks, see `OfficialCrop`.
        fix_overhang: See `OfficialCrop`.
    """

    resolution: int = 256
    grid_size: int = 64
    padding: float = 1.5
    limit: float = 640.0
    official_grid: bool = False
    fix_overhang: bool = False

    @classmethod
    def of(cls, options: Mapping) -> Framing:
        """The framing of a data set, of whose options some may be given and others are not its."""
        return cls(**{name: options[name] for name in cls._fields if name in options})

    def around(self, box: np.ndarray, image: np.ndarray, count: int = 1) -> list[AnyCrop]:
        """Crops for a test.

        Args:
            box: x, y, width, height in pixels, (4,).
            image: (H, W, 3).
            count: See `neighbouring_crops`.
        """
        crop = box_crop(box, self.resolution, self.grid_size, self.padding, self.limit)
        return [self._on_grid(crop, image) for crop in neighbouring_crops(crop, count)]

    def jittered(
        self, box: np.ndarray, image: np.ndarray, rng: np.random.RandomState, **jitter: float
    ) -> AnyCrop:
        """A crop for training; ``jitter`` as for `jittered_crop`."""
        sizes = (self.resolution, self.grid_size, rng, self.padding)
        return self._on_grid(jittered_crop(box, *sizes, limit=self.limit, **jitter), image)

    def _on_grid(self, crop: Crop, image: np.ndarray) -> AnyCrop:
        if not self.official_grid:
            return crop
        height, width = image.shape[:2]
        return official_crop(crop, (width, height), self.fix_overhang)

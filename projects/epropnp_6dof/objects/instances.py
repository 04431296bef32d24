"""An object in an image, whatever files it was read from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Instance(NamedTuple):
    """An object in an image.

    Attributes:
        image: File.
        scene_id: Of BOP.
        image_id: Of BOP.
        index: Of the annotation in the image; -1 for a detection without one.
        obj_id: Of BOP.
        cam2img: (3, 3) float64.
        rotation: Object to camera, (3, 3) float64.
        translation: Metres, (3,) float64.
        box: x, y, w, h in pixels, where w and h count pixels, (4,) float64.
        mask: File of the visible part, or None.
        visibility: Visible share.
        score: Of the detection; 1 for ground truth.
    """

    image: Path
    scene_id: int
    image_id: int
    index: int
    obj_id: int
    cam2img: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    box: np.ndarray
    mask: Path | None
    visibility: float
    score: float = 1.0

    @property
    def key(self) -> str:
        """Name of the instance within the data set."""
        return f'{self.scene_id:06d}/{self.image_id:06d}_{self.index:06d}'

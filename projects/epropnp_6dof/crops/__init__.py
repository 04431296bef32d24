"""Windows of images: which pixels, at which resolution, and what their grid is called."""

from __future__ import annotations

from typing import Union

from .crop import Crop
from .official import OfficialCrop

AnyCrop = Union[Crop, OfficialCrop]

__all__ = ['AnyCrop', 'Crop', 'OfficialCrop']

"""Parameters, features and geometry of `head_v2.npz` (tests/data/golden/README.md)."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

STRIDES = (8, 16, 32, 64, 128)
IMG_SIZE = (700, 420)
NET_SIZE = (320, 192)


def golden_shapes(golden_dir: Path) -> dict[str, list[int]]:
    """Names and shapes of the official v2 head's parameters."""
    return json.loads((golden_dir / 'head_v2_params.json').read_text())


def golden_value(name: str, shape: list[int]) -> Tensor:
    """The value of the parameter `name`, the official name (tests/data/golden/README.md)."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    r = torch.randn(tuple(shape), generator=generator)
    if name.endswith('.bias'):
        return 0.05 * r
    if ('.gn.' in name or 'norm' in name) and name.endswith('weight'):
        return 1 + 0.1 * r
    if 'conv_offset' in name:
        return 0.01 * r
    if name.endswith('scale'):
        return 0.1 + 0.01 * r
    if r.dim() >= 2:
        return r / math.sqrt(r[0].numel())
    return 0.1 * r


def golden_state(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Values of all parameters; running normalisers keep what the module starts with."""
    return {
        name: golden_value(name, shape)
        for name, shape in shapes.items()
        if not name.endswith('norm_factor') and 'mean_inv_std' not in name
    }


def golden_features() -> list[Tensor]:
    """Feature pyramid of two images, strides 8 .. 128, (2, 256, h, w) each."""
    features = []
    for level, stride in enumerate(STRIDES):
        shape = (2, 256, math.ceil(NET_SIZE[1] / stride), math.ceil(NET_SIZE[0] / stride))
        generator = torch.Generator().manual_seed(1000 + level)
        features.append(torch.randn(shape, generator=generator))
    return features


def golden_img2net() -> Tensor:
    """Original -> network pixels; image 1 is flipped, (2, 3, 3)."""
    plain = torch.tensor([[0.5, 0, 0], [0, 0.5, -18], [0, 0, 1]])
    flip = torch.tensor([[-1.0, 0, 320], [0, 1, 0], [0, 0, 1]])
    return torch.stack([plain, flip @ plain])

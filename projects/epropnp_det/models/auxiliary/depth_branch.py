"""Monocular depth at single points of the value map, supervised by LiDAR.

Source: docs/method.md 8.2, 8.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..structures import DenseFeatures, ImageGeometry

__all__ = ['DepthBranch', 'DepthPrediction', 'decode_depth']

REFERENCE_FOCAL = 1260.0
"""Focal length of most nuScenes cameras in pixels; the code is camera aware, so any would do."""
DEPTH_MEAN, DEPTH_SCALE = 15.0, 15.0


def decode_depth(code: Tensor, geometry: ImageGeometry) -> Tensor:
    """Metres of the network's linear depth code: ``(15 + 15 code) f / 1260``.

    An object of a given size on the network's canvas is twice as far away with twice the focal
    length, so ``f`` is that of the canvas: the mean of fx and fy times the scale of ``img2net``.

    Args:
        code: (B, ...).
        geometry: Cameras of the B images.

    Returns:
        Depth in metres, (B, ...).
    """
    focal = (geometry.cam2img[:, 0, 0] + geometry.cam2img[:, 1, 1]) / 2  # (B,)
    scale = torch.det(geometry.img2net[:, :2, :2]).abs().sqrt()
    factor = (focal * scale / REFERENCE_FOCAL).view(-1, *[1] * (code.dim() - 1))
    return (DEPTH_MEAN + DEPTH_SCALE * code) * factor


class DepthPrediction(NamedTuple):
    """Mixture of depths at ``P`` points of ``B`` images with ``M`` modes.

    Attributes:
        depth: Metres, (B, P, M).
        log_probs: Log-probability of each mode, (B, P, M).
    """

    depth: Tensor
    log_probs: Tensor


class DepthBranch(BaseModule):
    """A small perceptron on bilinear samples of the value map; training only.

    Args:
        embed_dims: Channels of the value map and of the hidden layers.
        num_modes: Modes of the mixture. The last layer's output is (value, logit) mode by mode.
        init_cfg: Initialisation config of mmcv.
    """

    def __init__(
        self, embed_dims: int = 256, num_modes: int = 4, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.layers = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, 2 * num_modes),
        )

    def init_weights(self) -> None:
        """Starts with equally probable modes."""
        super().init_weights()
        for layer in self.layers[::2]:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.layers[-1].weight[1::2])

    def forward(
        self, features: DenseFeatures, locations: Tensor, geometry: ImageGeometry
    ) -> DepthPrediction:
        """Predicts the depth at some points of each image.

        Args:
            features: Dense maps, (B, C, h, w).
            locations: Network pixels, (B, P, 2), P >= 1; off the map its border holds.
            geometry: Cameras of the images.
        """
        height, width = features.value.shape[-2:]
        canvas = locations.new_tensor([width * features.stride, height * features.stride])
        grid = (2 * locations / canvas - 1)[:, None].to(features.value)  # (B, 1, P, 2)
        sampled = F.grid_sample(
            features.value, grid, padding_mode='border', align_corners=False
        ).squeeze(2)  # (B, C, P)
        output = self.layers(sampled.transpose(1, 2)).unflatten(-1, (-1, 2))  # (B, P, M, 2)
        code, logits = output.unbind(-1)
        return DepthPrediction(decode_depth(code, geometry), logits.log_softmax(-1))

    def dense_depth(self, features: DenseFeatures, geometry: ImageGeometry) -> Tensor:
        """Most probable depth of every cell of the value map in metres, (B, h, w)."""
        batch, _, height, width = features.value.shape
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
        cells = torch.stack([columns, rows], dim=-1).reshape(1, -1, 2).to(features.value)
        locations = ((cells + 0.5) * features.stride).expand(batch, -1, -1)
        found = self(features, locations, geometry)
        best = found.log_probs.argmax(-1, keepdim=True)  # (B, h * w, 1)
        return found.depth.gather(-1, best).view(batch, height, width)

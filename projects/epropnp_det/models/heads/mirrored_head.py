"""The mirror image of a trained head: a test of the flip conventions that needs no training.

A network that was trained without mirrored images need not see in them what it sees in the plain
ones, so comparing its detections says little about conventions. Its mirror image does: run on
mirrored feature maps under the mirrored ``img2net``, it must find the same objects in original
pixels, whatever the weights are. Every step between the maps and the boxes takes part: points,
centres, sampling, validity, coordinates, velocities, PnP.
"""

from __future__ import annotations

import copy

import torch
from mmcv.ops import ModulatedDeformConv2dPack
from torch import Tensor, nn

from ..correspondence.deformable_sampler import DeformableSampler
from ..correspondence.feature_encoder import DenseFeatureEncoder
from ..structures import ObjectQueries
from .epropnp_head import EProPnPHead

__all__ = ['mirrored_head']


class _MirroredSampler(DeformableSampler):
    """Encodes centres where they lie in the plain image."""

    def _make_query(self, queries: ObjectQueries, net_size: Tensor) -> Tensor:
        x, y = queries.centers.unbind(-1)
        centers = torch.stack([net_size[:, 0] - x, y], dim=-1)
        return super()._make_query(queries._replace(centers=centers), net_size)


class _MirroredEncoder(DenseFeatureEncoder):
    """Encodes cells where they lie in the plain image."""

    def _project_keys(self, fused: Tensor, net_size: Tensor) -> Tensor:
        return super()._project_keys(fused.flip(-1), net_size).flip(-1)


@torch.no_grad()
def mirrored_head(head: EProPnPHead) -> EProPnPHead:
    """Makes a copy that treats mirrored feature maps as the head treats plain ones.

    Convolutions are mirrored, and outputs that point sideways change their sign: centre and
    sampling offsets along x, and what the head itself mirrors back for flipped images (object
    coordinate z, velocity x, position code x). Exact where every stride divides the canvas.

    Args:
        head: Any trained head; it is not changed.
    """
    mirrored = copy.deepcopy(head)
    for module in mirrored.modules():
        if isinstance(module, (nn.Conv2d, ModulatedDeformConv2dPack)):
            module.weight.copy_(module.weight.flip(-1))
        if isinstance(module, ModulatedDeformConv2dPack):
            _mirror_taps(module.conv_offset, module.kernel_size)
    correspondence = mirrored.correspondence
    _negate_rows(mirrored.detector.conv_offset, slice(0, None, 2))
    _negate_rows(correspondence.sampler.sampling_offsets, slice(0, None, 2))
    _negate_rows(correspondence.velocity_branch, slice(0, 1))
    points = correspondence.point_head
    points.position_proj.weight[:, 0].neg_()
    points.regressor.weight[:, 2].neg_()
    points.regressor.bias[:, 2].neg_()
    correspondence.sampler.__class__ = _MirroredSampler
    correspondence.encoder.__class__ = _MirroredEncoder
    return mirrored


def _negate_rows(layer: nn.Module, rows: slice) -> None:
    layer.weight[rows].neg_()
    layer.bias[rows].neg_()


def _mirror_taps(layer: nn.Conv2d, kernel_size: tuple[int, int]) -> None:
    """Offsets (y, x) of each tap, then the masks of all: taps change sides, x its sign."""
    num = kernel_size[0] * kernel_size[1]
    taps = torch.arange(num).view(kernel_size).flip(1).flatten()
    offsets = torch.stack([2 * taps, 2 * taps + 1], dim=1).flatten()
    order = torch.cat([offsets, 2 * num + taps])
    for parameter in (layer.weight, layer.bias):
        parameter.copy_(parameter[order])
        parameter[1 : 2 * num : 2].neg_()

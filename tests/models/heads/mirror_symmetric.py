"""Makes a head treat an image and its mirror image alike, whatever its random weights were.

Not a test. Besides the columns, mirroring an image swaps the channels of attention heads 2k and
2k + 1. Each layer is averaged with its mirrored self; outputs that point sideways (centre and
sampling offsets along x, object coordinate z, velocity x) get the opposite sign.
"""

from __future__ import annotations

import torch
from torch import Tensor

HEADS = 8
SIDEWAYS = torch.tensor([-1.0, 1.0])  # sign of an (x, y) or (x, z) pair in the mirror


def swapped(channels: int) -> Tensor:
    """Channel order after the mirror."""
    return torch.arange(channels).view(HEADS // 2, 2, -1).flip(1).flatten()


def mirror_features(feats: list[Tensor]) -> list[Tensor]:
    """What a mirror-symmetric backbone makes of the mirrored image."""
    return [feat.flip(-1)[:, swapped(feat.shape[1])] for feat in feats]


def _average(parameter: Tensor, outputs=None, inputs=None, sign=None) -> None:
    """Averages a parameter with its mirrored self; ``outputs`` and ``inputs`` are orders."""
    mirrored = parameter.detach().clone()
    if outputs is not None:
        mirrored = mirrored[outputs]
    if inputs is not None:
        mirrored = mirrored[:, inputs]
    if mirrored.dim() == 4:
        mirrored = mirrored.flip(-1)
    if sign is not None:
        mirrored = mirrored * sign.view(-1, *[1] * (mirrored.dim() - 1))
    parameter.data = (parameter.data + mirrored) / 2


def _symmetric(module: torch.nn.Module) -> None:
    """Layers between channels that the mirror swaps, norms included."""
    for parameter in module.parameters():
        inputs = swapped(parameter.shape[1]) if parameter.dim() > 1 else None
        _average(parameter, swapped(parameter.shape[0]), inputs)


def _readout(layer: torch.nn.Module, sign: Tensor | None = None) -> None:
    """Layers to channels that keep their place."""
    _average(layer.weight, None, swapped(layer.weight.shape[1]), sign)
    _average(layer.bias, sign=sign)


@torch.no_grad()
def make_symmetric(head: torch.nn.Module) -> None:
    """Changes an ``EProPnPHead`` without deformable convolutions in place."""
    detector, correspondence = head.detector, head.correspondence
    for name, module in detector.named_children():
        if name.endswith(('convs', 'prev')) or name == 'conv_emb':
            _symmetric(module)
    _readout(detector.conv_cls)
    _readout(detector.conv_centerness)
    _readout(detector.conv_offset, SIDEWAYS.repeat(head.num_classes))
    _symmetrise_encoder(correspondence.encoder)
    _symmetrise_sampler(correspondence.sampler)
    dims = correspondence.sampler.embed_dims
    _average(correspondence.class_embedding.weight, None, swapped(dims))
    _symmetric(correspondence.object_mlp)
    for name in ('scale', 'score', 'dim', 'attr'):
        _readout(getattr(correspondence, f'{name}_branch'))
    _readout(correspondence.velocity_branch, SIDEWAYS)
    points = correspondence.point_head
    points.position_proj.weight[:, 0] = 0
    partner = torch.arange(HEADS) ^ 1
    for parameter in points.regressor.parameters():
        signs = torch.tensor([1.0, 1, -1, 1, 1]).view(1, 5, *[1] * (parameter.dim() - 2))
        parameter.copy_((parameter + parameter[partner] * signs) / 2)


def _symmetrise_encoder(encoder: torch.nn.Module) -> None:
    _symmetric(encoder.level_convs)
    levels = encoder.num_levels
    channels = encoder.fusion.conv.weight.shape[1] // levels
    inputs = torch.cat([swapped(channels) + level * channels for level in range(levels)])
    dims = encoder.fusion.conv.weight.shape[0]
    order = swapped(dims)
    _average(encoder.fusion.conv.weight, order, inputs)
    _symmetric(encoder.fusion.gn)
    _symmetric(encoder.value_proj)
    # Of the sine code [y | x], y stays as it is; x is not symmetric and therefore left out.
    inputs = torch.cat([order, torch.arange(dims, 2 * dims)])
    _average(encoder.key_proj.weight, order, inputs)
    _average(encoder.key_proj.bias, order)
    encoder.key_proj.weight[:, 3 * dims // 2 :] = 0


def _symmetrise_sampler(sampler: torch.nn.Module) -> None:
    offsets = sampler.sampling_offsets
    outputs = swapped(len(offsets.bias))
    sign = SIDEWAYS.repeat(len(outputs) // 2)
    _average(offsets.weight, outputs, swapped(sampler.embed_dims), sign)
    _average(offsets.bias, outputs, sign=sign)
    # The query adds the sine code of x to the embedding, so only its bias can be symmetric.
    sampler.query_proj.weight.zero_()
    _average(sampler.query_proj.bias, swapped(sampler.embed_dims))
    for module in (sampler.out_proj, sampler.norms, sampler.ffn):
        _symmetric(module)

"""Official EPro-PnP-6DoF and CDPN checkpoints, tensor by tensor (docs/method_6dof.md 1.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

CDPN_OUT_LAYER = 'rot_head_net.features.27.'
TRANSLATION_HEAD = 'trans_head_net.'
OUT_LAYER, SCALE_BRANCH = 'head.out_layer.', 'head.scale_branch.'
NORM_FACTOR = 'losses.loss_pose.norm_factor'
_RENAMES = (
    (re.compile(r'rot_head_net\.'), 'head.'),
    (re.compile(r'monte_carlo_pose_loss\.norm_factor'), NORM_FACTOR),
)
NUM_NOC = 3


class Conversion(NamedTuple):
    """What became of every tensor of an official checkpoint.

    Attributes:
        state: State of our network, complete.
        renamed: Official name -> our name.
        left_out: Official names that our network has no use for.
        initial: Our names that the checkpoint says nothing about, and that keep their start values.
        version: ``v1``, ``v2`` or ``cdpn``.
    """

    state: dict[str, Tensor]
    renamed: dict[str, str]
    left_out: tuple[str, ...]
    initial: tuple[str, ...]
    version: str


def official_version(state: Mapping[str, Tensor]) -> str:
    """Tells the official networks apart.

    Returns:
        ``v1``, ``v2``, or ``cdpn`` for stage 1 of CDPN.

    Raises:
        ValueError: If it is none of them.
    """
    names = {_plain(name) for name in state}
    if 'rot_head_net.features.0.weight' not in names:
        first = ', '.join(sorted(names)[:3]) or 'nothing'
        raise ValueError(
            'this is no official 6DoF checkpoint: it lacks rot_head_net.features.0.weight and '
            f'holds {first}, ...'
        )
    if CDPN_OUT_LAYER + 'weight' in names:
        return 'cdpn'
    return 'v1' if any(name.startswith(TRANSLATION_HEAD) for name in names) else 'v2'


def convert_state(
    official: Mapping[str, Tensor], wanted: Mapping[str, Tensor], transplant: bool = False
) -> Conversion:
    """Renames an official state to that of our network, strictly.

    Args:
        official: State of v1, v2 or CDPN.
        wanted: State of our network, initialised: names, shapes, and start values of what CDPN does
            not have.
        transplant: Whether CDPN's output layer gives its three coordinate rows; the official code
            starts the whole layer at random.

    Raises:
        ValueError: If a tensor has no place, is missing or has another shape.
    """
    version = official_version(official)
    state, renamed, left_out = {}, {}, []
    for name, value in official.items():
        plain = _plain(name)
        if plain.startswith((TRANSLATION_HEAD, CDPN_OUT_LAYER)):
            left_out.append(name)
            continue
        for pattern, replacement in _RENAMES:
            plain = pattern.sub(replacement, plain)
        state[plain], renamed[name] = value, plain
    initial: list[str] = []
    if version == 'cdpn':
        initial = [n for n in wanted if n.startswith((OUT_LAYER, SCALE_BRANCH)) or n == NORM_FACTOR]
        state.update({name: wanted[name] for name in initial})
        if transplant:
            state.update(_transplanted(official, wanted))
    _check(state, wanted, version)
    ordered = {name: state[name] for name in wanted}
    return Conversion(ordered, renamed, tuple(left_out), tuple(initial), version)


def _plain(name: str) -> str:
    return re.sub(r'^module\.', '', name)


def _transplanted(official: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict:
    """CDPN's coordinate rows in our output layer."""
    source = {_plain(name): value for name, value in official.items()}
    out = {}
    for part in ('weight', 'bias'):
        rows = source[CDPN_OUT_LAYER + part][:NUM_NOC]
        out[OUT_LAYER + part] = torch.cat([rows, wanted[OUT_LAYER + part][NUM_NOC:].to(rows)])
    return out


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], version: str) -> None:
    reshaped = [n for n in wanted if n in state and state[n].shape != wanted[n].shape]
    kinds = {
        'missing': [name for name in wanted if name not in state],
        'unexpected': [name for name in state if name not in wanted],
        'of another shape': reshaped,
    }
    problems = [
        f'{len(names)} {kind} ({", ".join(names[:3])})' for kind, names in kinds.items() if names
    ]
    if problems:
        raise ValueError(
            f'the checkpoint is of official {version}, which does not fit this config: '
            + '; '.join(problems)
        )

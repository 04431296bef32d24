"""Official EPro-PnP-Det checkpoints become ours, tensor by tensor (docs/method.md 12)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from .official_names import name_table

__all__ = ['Conversion', 'convert_state', 'official_version', 'version_of_config']

HEAD = 'bbox_head.'
AUXILIARY = HEAD + 'auxiliary.'

# How older mmdet and mmcv named the offset convolution inside a deformable one.
_OLD_OFFSETS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r'(backbone\.layer\d+\.\d+\.conv\d+)_offset\.(weight|bias)', r'\1.conv_offset.\2'),
        (
            r'(bbox_head\.detector\.(?:cls|reg)_convs\.\d+\.conv)_offset\.(weight|bias)',
            r'\1.conv_offset.\2',
        ),
        (r'(.+\.conv_offset)_mask\.(weight|bias)', r'\1.\2'),
    )
)


class Conversion(NamedTuple):
    """What became of every tensor of an official checkpoint.

    Attributes:
        state: State of our detector, complete.
        renamed: Official name -> our name, for all tensors that our detector has.
        left_out: Official names of training-only tensors that our detector was built without.
        version: Official version: v1, v1b_220312, v1b_220411 or v2.
    """

    state: dict[str, Tensor]
    renamed: dict[str, str]
    left_out: tuple[str, ...]
    version: str


def official_version(state: Mapping[str, Tensor]) -> str:
    """Tells the official versions apart by what their heads are made of.

    Args:
        state: State of an official detector.

    Returns:
        ``v1`` (all its variants have the same network), ``v1b_220312``, ``v1b_220411`` or ``v2``.

    Raises:
        ValueError: If this is no official EPro-PnP-Det checkpoint.
    """
    state = {_modern_name(name): value for name, value in state.items()}
    offsets = state.get(HEAD + 'attention_sampler.sampling_offsets.weight')
    if offsets is None:
        names = ', '.join(list(state)[:3]) or 'nothing'
        raise ValueError(
            'this is no official EPro-PnP-Det checkpoint: it lacks '
            f'{HEAD}attention_sampler.sampling_offsets.weight and starts with {names}'
        )
    if HEAD + 'w2d_scale_branch.weight' in state:
        return 'v2'
    if HEAD + 'cls_emb' in state:
        return 'v1b_220411'
    return 'v1' if offsets.shape[0] == 512 else 'v1b_220312'


def version_of_config(bbox_head: Mapping) -> str:
    """The official version whose weights the head of a config can use.

    The pixel convention tells v2 from v1b, whose parameters have the same shapes.
    """
    correspondence = bbox_head['correspondence']
    if correspondence.get('pixel_center', 0.5) == 0.5:
        return 'v2'
    if correspondence.get('class_embedding', True):
        return 'v1b_220411'
    return 'v1' if correspondence.get('num_points', 16) == 32 else 'v1b_220312'


def convert_state(official: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Conversion:
    """Renames an official state to that of our detector, strictly.

    Args:
        official: State of an official detector.
        wanted: State of our detector, for its names and shapes.

    Raises:
        ValueError: If any tensor has no place, is missing or has another shape; the message names
            the first of each.
    """
    sources = {_modern_name(name): name for name in official}
    if len(sources) < len(official):
        raise ValueError('some tensors occur under their old and their new name: no sound file')
    modern = {name: official[source] for name, source in sources.items()}
    version = official_version(modern)
    heads = [name[len(HEAD) :] for name in modern if name.startswith(HEAD)]
    renames = {HEAD + old: HEAD + new for old, new in name_table(heads).renamed.items()}
    targets = {name: renames.get(name, name) for name in modern}

    left_out = [n for n, t in targets.items() if t.startswith(AUXILIARY) and t not in wanted]
    placed = {name: target for name, target in targets.items() if name not in left_out}
    state = {target: modern[name] for name, target in placed.items()}
    _check(state, wanted, version)
    return Conversion(
        state={name: state[name] for name in wanted},
        renamed={sources[name]: target for name, target in placed.items()},
        left_out=tuple(sources[name] for name in left_out),
        version=version,
    )


def _modern_name(name: str) -> str:
    name = re.sub(r'^module\.', '', name)
    for pattern, replacement in _OLD_OFFSETS:
        match = pattern.fullmatch(name)
        if match:
            return match.expand(replacement)
    return name


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], version: str) -> None:
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    reshaped = [
        f'{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}'
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    problems = [
        f'{len(names)} {kind}: {_first(names)}'
        for kind, names in (
            ('missing', missing),
            ('unexpected', unexpected),
            ('of another shape', reshaped),
        )
        if names
    ]
    if problems:
        raise ValueError(
            f'the checkpoint is of official {version}, which does not fit this config; '
            + '; '.join(problems)
        )


def _first(names: Sequence[str], limit: int = 3) -> str:
    return ', '.join(names[:limit]) + (', ...' if len(names) > limit else '')

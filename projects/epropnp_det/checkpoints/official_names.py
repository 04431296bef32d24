"""Names of the official detection head's parameters and of ours (docs/method.md 12).

The three official generations differ in a few names: v1 and v1b keep lists of one stage
(``pts_trans.0``, ``corr_regs.1``) where v2 has single modules, and call the weight scale
``scale_branch``. One table of patterns covers them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import Tensor

__all__ = ['NameTable', 'name_table', 'rename_official_keys']

HEAD = 'correspondence.'
AUXILIARY = 'auxiliary.'

_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r'(detector\..+)', r'\1'),
        (r'loss_pose\.(?:0\.)?norm_factor', r'losses.loss_pose.norm_factor'),
        (r'convs\.(\d+)\.conv\.(weight)', HEAD + r'encoder.level_convs.\1.conv.\2'),
        (r'conv_upsampled\.(conv|gn)\.(weight|bias)', HEAD + r'encoder.fusion.\1.\2'),
        (r'k_proj\.(weight|bias)', HEAD + r'encoder.key_proj.\1'),
        (r'v_proj\.(weight|bias)', HEAD + r'encoder.value_proj.\1'),
        (r'cls_emb', HEAD + r'class_embedding.weight'),
        (r'query_scale\.scale', HEAD + r'sampler.embedding_scale.scale'),
        (r'query_proj\.(weight|bias)', HEAD + r'sampler.query_proj.\1'),
        (r'attention_sampler\.layer_norms\.(.+)', HEAD + r'sampler.norms.\1'),
        (r'attention_sampler\.((?:sampling_offsets|out_proj|ffn)\..+)', HEAD + r'sampler.\1'),
        (r'(?:w2d_)?scale_branch\.(weight|bias)', HEAD + r'scale_branch.\1'),
        (r'((?:score|attr|dim)_branch\.(?:weight|bias))', HEAD + r'\1'),
        (r'velo_branch\.(weight|bias)', HEAD + r'velocity_branch.\1'),
        (r'pred_fc\.([02]\.(?:weight|bias))', HEAD + r'object_mlp.\1'),
        (r'obj_query_scale\.(?:0\.)?scale', HEAD + r'point_head.query_scale.scale'),
        (r'x2d_pos_enc\.(weight|bias)', HEAD + r'point_head.position_proj.\1'),
        (
            r'pts_trans\.(?:0\.)?((?:attentions|ffns|norms)\..+)',
            HEAD + r'point_head.transformer.\1',
        ),
        (r'(?:corr_regs\.1|corr_reg)\.(weight|bias)', HEAD + r'point_head.regressor.\1'),
        (
            r'(?:corr_regs\.0|corr_reg_aux)\.(weight|bias)',
            AUXILIARY + r'roi_branch.regressor.\1',
        ),
        (r'depth_branch\.([024]\.(?:weight|bias))', AUXILIARY + r'depth_branch.layers.\1'),
        (r'(loss_(?:proj|regr|depth)\.mean_inv_std)', AUXILIARY + r'\1'),
        (r'(loss_(?:regr|depth)\.log_sigma)', AUXILIARY + r'\1'),
    )
)


class NameTable(NamedTuple):
    """What becomes of each parameter of an official head.

    Attributes:
        renamed: Official name -> name in ``EProPnPHead``.
    """

    renamed: dict[str, str]

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Official names of the dense auxiliary branch, which only training needs."""
        return tuple(n for n, target in self.renamed.items() if target.startswith(AUXILIARY))


def _rename(name: str) -> str | None:
    for pattern, replacement in _RENAMES:
        match = pattern.fullmatch(name)
        if match:
            return match.expand(replacement)
    return None


def name_table(names: Iterable[str]) -> NameTable:
    """Finds the new name of each parameter of an official v1, v1b or v2 head.

    Args:
        names: Parameter and buffer names without the ``bbox_head.`` prefix.

    Raises:
        ValueError: If a name belongs to no official head, or two names to one parameter; the
            message names the first.
    """
    renamed: dict[str, str] = {}
    unknown: list[str] = []
    for name in names:
        target = _rename(name)
        if target is not None:
            renamed[name] = target
        else:
            unknown.append(name)
    if unknown:
        more = f' and {len(unknown) - 3} more' if len(unknown) > 3 else ''
        raise ValueError(
            f'not parameters of an official EPro-PnP-Det head: {", ".join(unknown[:3])}{more}; '
            'is this the checkpoint of another model, or are the names prefixed with "bbox_head."?'
        )
    _check_unique(renamed)
    return NameTable(renamed)


def _check_unique(renamed: Mapping[str, str]) -> None:
    sources: dict[str, list[str]] = {}
    for name, target in renamed.items():
        sources.setdefault(target, []).append(name)
    clashes = [' and '.join(names) for names in sources.values() if len(names) > 1]
    if clashes:
        raise ValueError(f'names of two official versions in one file: {"; ".join(clashes)}')


def rename_official_keys(
    state_dict: Mapping[str, Tensor], auxiliary: bool = True
) -> dict[str, Tensor]:
    """Gives the parameters of an official head the names of ours.

    Args:
        state_dict: State of an official v1, v1b or v2 head, names without ``bbox_head.``.
        auxiliary: Whether to keep the dense auxiliary branch, which heads without ``auxiliary`` in
            their config do not have.

    Returns:
        New mapping with the names of ``EProPnPHead``: ``detector.*``, ``correspondence.*``,
        ``auxiliary.*`` and ``losses.loss_pose.norm_factor``. The tensors are the same objects.

    Raises:
        ValueError: If a name is unknown or occurs in the spelling of two versions.
    """
    table = name_table(state_dict)
    left_out = () if auxiliary else table.auxiliary
    return {
        target: state_dict[name] for name, target in table.renamed.items() if name not in left_out
    }

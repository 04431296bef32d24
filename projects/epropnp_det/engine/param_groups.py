"""One group of parameters per setting, not one per parameter.

mmcv makes a group of each parameter as soon as the config has ``paramwise_cfg``, and an optimiser
works group by group: on a GPU that is ten launches for each parameter instead of for all together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from torch import Tensor
from torch.optim import Optimizer

__all__ = ['merge_groups', 'regrouped']


def merge_groups(optimizer: Optimizer) -> list[Tensor]:
    """Joins the groups of equal settings, before the first step.

    Args:
        optimizer: Its groups change.

    Returns:
        The parameters in the order before, which checkpoints of such groups go by.
    """
    order = [parameter for group in optimizer.param_groups for parameter in group['params']]
    merged: list[dict] = []
    for group in optimizer.param_groups:
        same = (other for other in merged if _settings(other) == _settings(group))
        found = next(same, None)
        if found is None:
            merged.append({**group, 'params': list(group['params'])})
        else:
            found['params'] += group['params']
    optimizer.param_groups = merged
    return order


def regrouped(saved: dict, optimizer: Optimizer, order: Sequence[Tensor]) -> dict:
    """The saved state of an optimiser, in the groups that the optimiser has now.

    Args:
        saved: ``state_dict`` of an optimiser of the same parameters.
        optimizer: The one that is to load it.
        order: What :func:`merge_groups` returned.

    Returns:
        The state to load; the saved one, where it has as many groups, or other parameters.
    """
    groups = saved['param_groups']
    places = list(chain.from_iterable(group['params'] for group in groups))
    if len(groups) == len(optimizer.param_groups) or len(places) != len(order):
        return saved
    place = {id(parameter): where for parameter, where in zip(order, places)}
    owner = {where: group for group in groups for where in group['params']}
    wanted = [[place[id(p)] for p in group['params']] for group in optimizer.param_groups]
    return {**saved, 'param_groups': [{**owner[inds[0]], 'params': inds} for inds in wanted]}


def _settings(group: dict) -> dict:
    return {name: value for name, value in group.items() if name != 'params'}

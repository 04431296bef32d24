"""Which code computes: plain torch, or compiled loops on a CPU.

All heavy work of the layer passes through the functions of a `Backend`. They are pure: tensors in,
tensors out, nothing random. ``reference/`` has them in plain torch, which is what they mean and
what runs on a GPU; ``cpu/`` (Numba) has fast ones of the same results up to rounding, which are
taken for tensors on a CPU where Numba is installed. The environment variable ``EPROPNP_BACKEND``
(``torch`` or ``numba``) overrides the choice.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Callable, NamedTuple

import torch
from torch import Tensor

from .reference.costs import is_compiling, pose_costs, pose_costs_gradient
from .reference.posterior import sample_posterior
from .reference.solver import solve, solve_subsets
from .reference.subsets import draw_subsets

SWITCH = 'EPROPNP_BACKEND'
"""Environment variable that names the backend."""


class Backend(NamedTuple):
    """The functions; `reference` documents their arguments.

    Attributes:
        name: As in the switch.
        draw_subsets: Random subsets of points.
        solve_subsets: Poses of the subsets.
        solve: Poses of all points, with cost and Gauss-Newton system.
        pose_costs: Costs of many poses per object.
        pose_costs_gradient: Their gradient by points and threshold.
        sample_posterior: Adaptive importance sampling.
    """

    name: str
    draw_subsets: Callable
    solve_subsets: Callable
    solve: Callable
    pose_costs: Callable
    pose_costs_gradient: Callable
    sample_posterior: Callable


TORCH = Backend(
    'torch', draw_subsets, solve_subsets, solve, pose_costs, pose_costs_gradient, sample_posterior
)


@cache
def numba_backend() -> Backend | str:
    """The compiled CPU backend, or why there is none."""
    try:
        torch.zeros(1).numpy()
        from .cpu import BACKEND
    except Exception as error:  # a broken numba must not take the layer with it
        return f'{type(error).__name__}: {error}'
    return BACKEND


OPTIONAL: dict[str, Callable[[], Backend | str]] = {'numba': numba_backend}
BEST = {'cpu': 'numba'}
"""What is taken for a device where it is installed; plain torch for the others."""


def choose(tensor: Tensor) -> Backend:
    """The backend for problems like ``tensor``.

    Raises:
        ValueError: If the switch names a backend that is unknown or not installed.
    """
    if is_transforming(tensor):
        return TORCH
    name = os.environ.get(SWITCH, '')
    if name not in ('', 'torch', *OPTIONAL):
        raise ValueError(f'{SWITCH} is {name!r}; set it to torch or numba, or unset it')
    best = name or BEST.get(tensor.device.type, 'torch')
    if best == 'torch' or BEST.get(tensor.device.type) != best:
        return TORCH  # a CPU's loops cannot reach what is elsewhere
    found = OPTIONAL[best]()
    if isinstance(found, Backend):
        return found
    if name:
        raise ValueError(f'{SWITCH} is {name!r}, which does not load ({found}); unset it')
    return TORCH


def is_transforming(*tensors: Tensor) -> bool:
    """Whether plain operations are needed: by compilers, exporters, transforms, fake tensors."""
    if is_compiling() or torch.jit.is_tracing():
        return True
    stack = getattr(getattr(torch._C, '_functorch', None), 'peek_interpreter_stack', None)
    if stack is not None and stack() is not None:
        return True
    return any(type(tensor) not in (Tensor, torch.nn.Parameter) for tensor in tensors)

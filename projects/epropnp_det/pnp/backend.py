"""Which code computes.

All heavy work of the layer passes through the functions of a `Backend`. They are pure: tensors in,
tensors out, nothing random. There are four, of the same results up to rounding:

* ``reference``: plain torch, which is what the others mean. It takes few kernels and never waits
  for the device, so GPUs without Triton take it, and so do compilers, exporters and function
  transforms.
* ``planar``: torch as a CPU likes it, taken there where Numba is not installed.
* ``numba``: compiled loops (`compiled`), taken on a CPU.
* ``triton``: one launch per function (`fused`), taken for CUDA tensors; on a CPU only where it is
  named and ``TRITON_INTERPRET=1`` was set before anything imported triton.

The environment variable ``EPROPNP_BACKEND`` names another than the one that would be taken.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Callable, NamedTuple

import torch
from torch import Tensor

from .constants import is_compiling
from .reference.costs import pose_costs, pose_costs_gradient
from .reference.divergence import divergence
from .reference.frames import conclude, enter_frame, leave_frame, sound
from .reference.posterior import sample_posterior
from .reference.problems import build_problem
from .reference.screening import usable
from .reference.search import best_pose, start_poses
from .reference.solver import covariance, solve, solve_subsets
from .reference.subsets import draw_subsets

SWITCH = 'EPROPNP_BACKEND'
"""Environment variable that names the backend."""
NAMES = ('reference', 'planar', 'numba', 'triton')
SUITED = {'cpu': ('numba', 'reference', 'triton', 'planar'), 'cuda': ('triton', 'reference')}
"""Those that serve a type of device: the first is taken by itself, the last where it does not load.
Triton's serve a CPU in their interpreter."""


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
        usable: Which objects can be solved. This and what follows is light; there is another than
            the plain one only where the number of torch's operations counts.
        build_problem: What is solved: threshold, origin, normalised coordinates.
        start_poses: Where the poses of the subsets start.
        best_pose: Which pose of the subsets is kept.
        enter_frame: The caller's poses in the frame in which problems are solved.
        leave_frame: Poses in the caller's frame.
        covariance: Of the tangent space at a solution.
        sound: Which objects' results are finite.
        conclude: Pose, covariance and flags in the caller's frame.
        divergence: What the Monte Carlo pose loss says of an object.
    """

    name: str
    draw_subsets: Callable
    solve_subsets: Callable
    solve: Callable
    pose_costs: Callable
    pose_costs_gradient: Callable
    sample_posterior: Callable
    usable: Callable = usable
    build_problem: Callable = build_problem
    start_poses: Callable = start_poses
    best_pose: Callable = best_pose
    enter_frame: Callable = enter_frame
    leave_frame: Callable = leave_frame
    covariance: Callable = covariance
    sound: Callable = sound
    conclude: Callable = conclude
    divergence: Callable = divergence


REFERENCE = Backend(
    'reference',
    draw_subsets,
    solve_subsets,
    solve,
    pose_costs,
    pose_costs_gradient,
    sample_posterior,
)


@cache
def load(name: str) -> Backend | str:
    """A backend, or why there is none.

    Raises:
        ValueError: If no backend has this name.
    """
    if name not in NAMES:
        raise ValueError(f'{SWITCH} is {name!r}; set it to one of {", ".join(NAMES)}, or unset it')
    if name == 'reference':
        return REFERENCE
    if name == 'planar':
        from .planar import BACKEND as PLANAR

        return PLANAR
    try:
        if name == 'triton':
            from .fused import BACKEND as FUSED
            from .fused.launching import check

            check()
            return FUSED
        torch.zeros(1).numpy()
        from .compiled import BACKEND as COMPILED
    except Exception as error:  # a broken numba or triton must not take the layer with it
        return f'{type(error).__name__}: {error}'
    return COMPILED


def choose(tensor: Tensor) -> Backend:
    """The backend for problems like ``tensor``; one that is named for another device is not meant.

    Raises:
        ValueError: If the switch names a backend that is unknown or not installed.
    """
    suited = SUITED.get(tensor.device.type, ())
    if not suited or is_transforming(tensor):
        return REFERENCE  # the others are for plain tensors
    name = os.environ.get(SWITCH, '')
    meant = name in suited or name not in ('', *NAMES)
    found = load(name if meant else suited[0])
    if isinstance(found, Backend):
        return found
    if meant:
        raise ValueError(f'{SWITCH} is {name!r}, which does not load ({found}); unset it')
    return load(suited[-1])  # type: ignore[return-value]


def is_transforming(*tensors: Tensor) -> bool:
    """Whether plain operations are needed: by compilers, exporters, transforms, fake tensors."""
    if is_compiling() or torch.jit.is_tracing():
        return True
    functorch = getattr(torch._C, '_functorch', None)
    stack = getattr(functorch, 'peek_interpreter_stack', None)
    if stack is not None and stack() is not None:
        return True
    # autograd's own batches of gradients (`vectorize=True`) look like tensors and lie on no stack
    is_batched = getattr(functorch, 'is_legacy_batchedtensor', None)
    if is_batched is not None and any(is_batched(tensor) for tensor in tensors):
        return True
    return any(type(tensor) not in (Tensor, torch.nn.Parameter) for tensor in tensors)

"""How loops over objects are called."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from ..pose import Parametrization, Pose4DoF

MIN_OBJECTS = 8
"""Objects that are worth a thread."""
MIN_LIGHT_OBJECTS = 512
"""Those of a loop that takes less than a microsecond each."""


def arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """The memory of contiguous tensors, copies of others."""
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def optional(tensor: Tensor | None, like: Tensor) -> np.ndarray:
    """The memory of a tensor; where there is none an array without columns, one row an object."""
    return arrays(like.new_empty((len(like), 0)) if tensor is None else tensor)[0]


def turn(pose_type: Parametrization) -> bool | None:
    """How the loops tell the parametrisations apart: by type, so that only one is compiled."""
    return None if pose_type is Pose4DoF else True


def in_threads(
    function: Callable, num_objects: int, *arguments: Any, least: int = MIN_OBJECTS
) -> None:
    """Calls ``function(start, stop, *arguments)`` for parts of ``least`` objects or more."""
    threads = max(1, min(torch.get_num_threads(), num_objects // least))
    if threads == 1:
        function(0, num_objects, *arguments)
        return
    edges = [num_objects * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        parts = [pool.submit(function, *edge, *arguments) for edge in zip(edges, edges[1:])]
        for part in parts:
            part.result()

"""Problems from pixels in one launch, and their backward pass in another."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..normalizing import Loops, Options, build_with
from .launching import contiguous, flags, launch, power, rows_of, warps_of
from .problems import problem_gradient_kernel, problem_kernel


def _build(
    options: Options,
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    valid: Tensor,
    built: tuple[Tensor, ...],
) -> None:
    """See `Loops`."""
    arguments = (*contiguous(points, cam2img, bounds), *_masks(valid, options.mask), *built)
    _launch(problem_kernel, options, arguments, CENTERED=options.centered)


def _differentiate(
    options: Options,
    points: Tensor,
    cam2img: Tensor,
    valid: Tensor,
    grads: list[Tensor],
    by_points: Tensor,
) -> None:
    """See `Loops`."""
    constants = (*contiguous(points, cam2img), *_masks(valid, options.mask))
    arguments = (*constants, *contiguous(*grads), by_points)
    _launch(problem_gradient_kernel, options, arguments, CONSTANT=options.cost.detach_x2d)


build_problem = partial(build_with, Loops(_build, _differentiate))
"""See `reference.problems.build_problem`."""


def _masks(valid: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Flags of objects, and of points if there are any."""
    return flags(valid), flags(valid if mask is None else mask)


def _launch(kernel: Any, options: Options, arguments: tuple[Tensor, ...], **constants: Any) -> None:
    num_objects, _, num_points = arguments[0].shape
    block = min(power(num_points), 256)
    rows = rows_of(num_objects, block)
    launch(
        kernel,
        (-(-num_objects // rows),),
        *arguments,
        num_objects,
        num_points,
        RELATIVE=options.cost.relative_delta,
        TINY=torch.finfo(arguments[0].dtype).tiny,
        MASKED=options.mask is not None,
        ROWS=rows,
        BLOCK=block,
        warps=warps_of(block),
        **constants,
    )

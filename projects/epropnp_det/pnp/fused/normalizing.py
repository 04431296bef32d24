"""Problems from pixels in one launch, and their backward pass in another."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import torch
from torch import Tensor

from ..backend import is_transforming
from ..cost import AdaptiveHuberCost
from ..problem import Problem
from ..reference import problems as reference
from .launching import contiguous, flags, launch, power, rows_of, warps_of
from .problems import problem_gradient_kernel, problem_kernel


class _Options(NamedTuple):
    """What `reference.problems.build_problem` takes besides tensors with gradient."""

    z_min: float
    mask: Tensor | None
    cost: AdaptiveHuberCost
    centered: bool


def build_problem(
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    valid: Tensor,
    z_min: float,
    mask: Tensor | None,
    cost: Callable[..., Tensor],
    centered: bool,
) -> tuple[Problem, Tensor | None]:
    """See `reference.problems.build_problem`, which serves costs and gradients that are rare."""
    options = _Options(z_min, mask, cost, centered)  # type: ignore[arg-type]
    if type(cost) is not AdaptiveHuberCost or cost.relative_delta is None or cam2img.requires_grad:
        return reference.build_problem(points, cam2img, bounds, valid, *options)
    *tensors, offset = _Build.apply(options, points, cam2img, bounds, valid)
    return Problem.of(tensors, z_min), offset if centered else None


class _Build(torch.autograd.Function):
    """Differentiable by the points."""

    @staticmethod
    def forward(
        ctx: Any,
        options: _Options,
        points: Tensor,
        cam2img: Tensor,
        bounds: Tensor,
        valid: Tensor,
    ) -> tuple[Tensor, ...]:
        num_objects, _, num_points = points.shape
        widths = ((3, num_points), (2, num_points), (2, num_points), (), (3, 3), (2,), (2,), (3,))
        built = tuple(points.new_empty((num_objects, *width)) for width in widths)
        arguments = (*contiguous(points, cam2img, bounds), *_masks(valid, options.mask), *built)
        _launch(problem_kernel, options, arguments, CENTERED=options.centered)
        ctx.options, ctx.shapes = options, [tensor.shape for tensor in built[:4]]
        ctx.save_for_backward(points, cam2img, bounds, valid)
        ctx.mark_non_differentiable(*built[4:])
        ctx.set_materialize_grads(False)
        return built

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        points, cam2img, bounds, valid = ctx.saved_tensors
        options = ctx.options
        whole = [
            points.new_zeros(shape) if grad is None else grad
            for grad, shape in zip(grads, ctx.shapes)
        ]
        if is_transforming(*whole):  # several gradients at once
            with torch.enable_grad():
                leaf = points.detach().requires_grad_()
                problem, _ = reference.build_problem(leaf, cam2img, bounds, valid, *options)
            (by_points,) = torch.autograd.grad(problem[:4], leaf, whole)
            return None, by_points, None, None, None
        by_points = torch.empty_like(points, memory_format=torch.contiguous_format)
        constants = (*contiguous(points, cam2img), *_masks(valid, options.mask))
        arguments = (*constants, *contiguous(*whole), by_points)
        _launch(problem_gradient_kernel, options, arguments, CONSTANT=options.cost.detach_x2d)
        return None, by_points, None, None, None


def _masks(valid: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Flags of objects, and of points if there are any."""
    return flags(valid), flags(valid if mask is None else mask)


def _launch(
    kernel: Any, options: _Options, arguments: tuple[Tensor, ...], **constants: Any
) -> None:
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

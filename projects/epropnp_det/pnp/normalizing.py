"""Problems from pixels by two loops, one for values and one for gradients, in place of autograd."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import torch
from torch import Tensor

from .backend import is_transforming
from .cost import AdaptiveHuberCost
from .problem import Problem
from .reference.problems import build_problem


class Options(NamedTuple):
    """What `reference.problems.build_problem` takes besides tensors with gradient."""

    z_min: float
    mask: Tensor | None
    cost: AdaptiveHuberCost
    centered: bool


class Loops(NamedTuple):
    """What a backend computes.

    Attributes:
        build: Writes the fields of a `Problem` and the mean of the points, (B, 3), given `Options`,
            points (B, 7, N), intrinsics, bounds, flags, and where to.
        differentiate: Writes gradients by the points, given `Options`, points, intrinsics, flags,
            gradients by the first four fields, and where to. They are zero for placeholders, and
            for objects of which one would not be finite.
    """

    build: Callable[..., None]
    differentiate: Callable[..., None]


def build_with(
    loops: Loops,
    points: Tensor,
    cam2img: Tensor,
    bounds: Tensor,
    valid: Tensor,
    z_min: float,
    mask: Tensor | None,
    cost: Callable[..., Tensor],
    centered: bool,
) -> tuple[Problem, Tensor | None]:
    """`reference.problems.build_problem` by loops, but for costs and gradients that are rare."""
    options = Options(z_min, mask, cost, centered)  # type: ignore[arg-type]
    if type(cost) is not AdaptiveHuberCost or cost.relative_delta is None or cam2img.requires_grad:
        return build_problem(points, cam2img, bounds, valid, *options)
    *tensors, offset = _Build.apply(loops, options, points, cam2img, bounds, valid)
    return Problem.of(tensors, z_min), offset if centered else None


class _Build(torch.autograd.Function):
    """Differentiable by the points, any number of times."""

    @staticmethod
    def forward(
        ctx: Any,
        loops: Loops,
        options: Options,
        points: Tensor,
        cam2img: Tensor,
        bounds: Tensor,
        valid: Tensor,
    ) -> tuple[Tensor, ...]:
        num_objects, _, num_points = points.shape
        widths = ((3, num_points), (2, num_points), (2, num_points), (), (3, 3), (2,), (2,), (3,))
        built = tuple(points.new_empty((num_objects, *width)) for width in widths)
        loops.build(options, points, cam2img, bounds, valid, built)
        ctx.loops, ctx.options, ctx.shapes = loops, options, [field.shape for field in built[:4]]
        ctx.save_for_backward(points, cam2img, bounds, valid)
        ctx.mark_non_differentiable(*built[4:])
        ctx.set_materialize_grads(False)
        return built

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        points, cam2img, bounds, valid = ctx.saved_tensors
        whole = [
            points.new_zeros(shape) if grad is None else grad
            for grad, shape in zip(grads, ctx.shapes)
        ]
        again = torch.is_grad_enabled()  # whether this is to be differentiated, too
        if again or is_transforming(*whole):  # or several gradients come at once
            with torch.enable_grad():
                leaf = points if again else points.detach().requires_grad_()
                problem, _ = build_problem(leaf, cam2img, bounds, valid, *ctx.options)
                (by_points,) = torch.autograd.grad(problem[:4], leaf, whole, create_graph=again)
        else:
            by_points = torch.empty_like(points, memory_format=torch.contiguous_format)
            ctx.loops.differentiate(ctx.options, points, cam2img, valid, whole, by_points)
        return None, None, by_points, None, None, None

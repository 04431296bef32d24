"""The Monte Carlo pose loss in one launch, and its backward pass in another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..backend import is_transforming
from ..reference import divergence as reference
from .launching import MOST_POINTS, contiguous, launch, power, rows_of, warps_of
from .losses import divergence_gradient_kernel, divergence_kernel


def divergence(log_weights: Tensor, cost_target: Tensor) -> Tensor:
    """See `reference.divergence.divergence`."""
    if not 0 < log_weights.size(1) <= MOST_POINTS or log_weights.dtype != cost_target.dtype:
        return reference.divergence(log_weights, cost_target)
    return _Divergence.apply(log_weights, cost_target)


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_weights: Tensor, cost_target: Tensor) -> Tensor:
        found, peaks = torch.empty_like(cost_target), torch.empty_like(cost_target)
        _launch(divergence_kernel, *contiguous(log_weights, cost_target), found, peaks)
        ctx.save_for_backward(log_weights, cost_target, peaks)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        log_weights, cost_target, peaks = ctx.saved_tensors
        if is_transforming(grad):  # several gradients at once
            leaves = [field.detach().requires_grad_() for field in (log_weights, cost_target)]
            with torch.enable_grad():
                found = reference.divergence(*leaves)
            return torch.autograd.grad(found, leaves, grad)  # type: ignore[return-value]
        by_weights = torch.empty_like(log_weights, memory_format=torch.contiguous_format)
        by_target = torch.empty_like(cost_target)
        arguments = contiguous(log_weights, peaks, grad)
        _launch(divergence_gradient_kernel, *arguments, by_weights, by_target)
        return by_weights, by_target


def _launch(kernel: Any, log_weights: Tensor, *others: Tensor) -> None:
    num_objects, num_samples = log_weights.shape
    block = power(num_samples)
    rows = rows_of(num_objects, block)
    grid = (-(-num_objects // rows),)
    arguments = (log_weights, *others, num_objects, num_samples)
    launch(kernel, grid, *arguments, ROWS=rows, BLOCK=block, warps=warps_of(block))

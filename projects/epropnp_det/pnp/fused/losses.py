"""What the Monte Carlo pose loss says of an object, and its gradient."""

from __future__ import annotations

import triton
import triton.language as tl

from .axes import least_of_points, object_axis, over_points, point_axis


@triton.jit(do_not_specialize=['num_objects', 'num_samples'])
def divergence_kernel(
    log_weights, target, found, peaks, num_objects, num_samples,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Divergences (B,) of log-weights (B, S) and costs (B,): all samples of an object at once.

    Writes besides the logarithm of the weights' sum, (B,), NaN where a number is not finite.
    """
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    number = point_axis(ROWS, 2, BLOCK)
    mask = there & (number < num_samples)
    score = tl.load(log_weights + object_index * num_samples + number, mask=mask, other=0.0)
    cost = tl.load(target + object_index, mask=there, other=0.0)
    fine = (tl.abs(score) < float('inf')).to(tl.int32)
    bad = least_of_points(fine, ROWS, 2) == 0
    bad = bad | ((tl.abs(cost) < float('inf')) == 0)
    score = tl.where(mask & (bad == 0), score, float('-inf'))
    high = -least_of_points(-score, ROWS, 2)
    high = tl.where(bad, 0.0, high)
    peak = high + tl.log(over_points(tl.exp(score - high), ROWS, 2))
    tl.store(peaks + object_index, tl.where(bad, float('nan'), peak), mask=there)
    tl.store(found + object_index, tl.where(bad, 0.0, cost + peak), mask=there)


@triton.jit(do_not_specialize=['num_objects', 'num_samples'])
def divergence_gradient_kernel(
    log_weights, peaks, grad, by_weights, by_target, num_objects, num_samples,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients by log-weights (B, S) and costs (B,) from those by divergences (B,)."""
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    number = point_axis(ROWS, 2, BLOCK)
    mask = there & (number < num_samples)
    place = object_index * num_samples + number
    peak = tl.load(peaks + object_index, mask=there, other=0.0)
    good = peak == peak
    slope = tl.where(good, tl.load(grad + object_index, mask=there, other=0.0), 0.0)
    score = tl.where(good, tl.load(log_weights + place, mask=mask, other=0.0) - peak, 0.0)
    tl.store(by_weights + place, slope * tl.exp(score), mask=mask)
    tl.store(by_target + object_index, slope, mask=there)

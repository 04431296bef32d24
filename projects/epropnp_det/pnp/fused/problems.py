"""Huber thresholds and normalised image coordinates, and their backward pass."""

from __future__ import annotations

import triton
import triton.language as tl

from .algebra import at_least, select
from .axes import object_axis, over_points, point_axis
from .projection import load_tuple, store_tuple
from .screening import all_finite


@triton.jit
def read_camera(cam2img, valid, object_index, there):
    """Whether an object is valid, its intrinsics or those of a placeholder, and focal lengths."""
    good = there & (tl.load(valid + object_index, mask=there, other=0) != 0)
    matrix = load_tuple(cam2img + 9 * object_index, good, 9)
    one = tl.zeros_like(matrix[0]) + 1.0
    matrix = (
        tl.where(good, matrix[0], one), matrix[1], matrix[2],
        matrix[3], tl.where(good, matrix[4], one), matrix[5],
    )  # fmt: skip
    wide, high = tl.abs(matrix[0]) + tl.abs(matrix[1]), tl.abs(matrix[3]) + tl.abs(matrix[4])
    return good, matrix, (wide, high)


@triton.jit
def read_points(points, there_is, object_index, point, num_points, good, MASKED: tl.constexpr):
    """Values of a block of points, zero for placeholders, and whether they count."""
    inside = point < num_points
    seen = good & inside
    if MASKED:
        counts = tl.load(there_is + object_index * num_points + point, mask=good & inside, other=0)
        seen = counts != 0
    row = points + 7 * object_index * num_points + point
    return load_tuple(row, good & inside, 7, num_points), seen


@triton.jit
def moments(
    points, there_is, object_index, num_points, good, like,
    TINY: tl.constexpr, MASKED: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Means of ``x, y, z, u, v`` and of the weights, spread of the pixels, and related numbers.

    Returns:
        The five means; mean weight; spread; weights; degrees of freedom of the variance, zero where
        its floor holds the spread.
    """
    zero = tl.zeros_like(like)
    count, weight, variance, mean = zero, zero, zero, (zero, zero, zero, zero, zero)
    for first in range(0, num_points, BLOCK):
        point = first + point_axis(ROWS, 2, BLOCK)
        values, seen = read_points(points, there_is, object_index, point, num_points, good, MASKED)
        count += over_points(seen.to(zero.dtype), ROWS, 2)
        weight += over_points(tl.where(seen, values[5] + values[6], 0.0), ROWS, 2)
        sums = ()
        for i in tl.static_range(5):
            sums = sums + (mean[i] + over_points(tl.where(seen, values[i], 0.0), ROWS, 2),)
        mean = sums
    number = at_least(count, 1.0)
    mean = (
        mean[0] / number, mean[1] / number, mean[2] / number, mean[3] / number, mean[4] / number
    )  # fmt: skip
    for first in range(0, num_points, BLOCK):
        point = first + point_axis(ROWS, 2, BLOCK)
        values, seen = read_points(points, there_is, object_index, point, num_points, good, MASKED)
        across, down = values[3] - mean[3], values[4] - mean[4]
        square = tl.where(seen, across * across + down * down, 0.0)
        variance += over_points(square, ROWS, 2)
    weights, freedom = 2.0 * number, at_least(count - 1.0, 1.0)
    variance = variance / freedom
    spread = tl.sqrt(at_least(variance, TINY))
    return mean, weight / weights, spread, weights, tl.where(variance < TINY, 0.0, freedom)


@triton.jit(do_not_specialize=['num_objects', 'num_points'])
def problem_kernel(
    points, cam2img, bounds, valid, there_is, x3d, x2d, w2d, delta, camera, lower, upper, offset,
    num_objects, num_points,
    RELATIVE: tl.constexpr, TINY: tl.constexpr, CENTERED: tl.constexpr, MASKED: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Problems of some objects a program, which reads their points three times.

    Args:
        points: ``x, y, z, u, v`` and the weights, (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: (B, 4).
        valid: Which objects are no placeholders, (B,).
        there_is: Which points there are, (B, N), where `MASKED`.
        x3d: Written, as all that follows; see `Problem`.
        x2d: See there.
        w2d: See there.
        delta: See there.
        camera: See there.
        lower: See there.
        upper: See there.
        offset: Mean of the points, (B, 3), where `CENTERED`.
        num_objects: ``B``.
        num_points: ``N``.
        RELATIVE: Of the threshold.
        TINY: Floor of the variance.
        CENTERED: Whether points are taken relative to their mean.
        MASKED: Whether some points are padding.
        ROWS: Objects of a program.
        BLOCK: Points at once.
    """
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    good, matrix, focal = read_camera(cam2img, valid, object_index, there)
    wide, high = focal[0], focal[1]
    mean, mean_weight, spread, weights, freedom = moments(
        points, there_is, object_index, num_points, good, wide, TINY, MASKED, ROWS, BLOCK
    )
    tl.store(delta + object_index, mean_weight * spread * RELATIVE, mask=there)
    zero = tl.zeros_like(wide)
    one = zero + 1.0
    bound = load_tuple(bounds + 4 * object_index, good, 4)
    bound = select(good, bound, (-one, -one, one, one))
    view = (
        matrix[0] / wide, matrix[1] / wide, zero, matrix[3] / high, matrix[4] / high, zero,
        zero, zero, one,
    )  # fmt: skip
    store_tuple(camera + 9 * object_index, view, there)
    low = ((bound[0] - matrix[2]) / wide, (bound[1] - matrix[5]) / high)
    store_tuple(lower + 2 * object_index, low, there)
    top = ((bound[2] - matrix[2]) / wide, (bound[3] - matrix[5]) / high)
    store_tuple(upper + 2 * object_index, top, there)
    origin = (zero, zero, zero)
    if CENTERED:
        origin = mean[:3]
        store_tuple(offset + 3 * object_index, origin, there)
    for first in range(0, num_points, BLOCK):
        point = first + point_axis(ROWS, 2, BLOCK)
        values, seen = read_points(points, there_is, object_index, point, num_points, good, MASKED)
        inside = there & (point < num_points)
        place = object_index * num_points
        for i in tl.static_range(3):
            target = x3d + (3 * place + i * num_points) + point
            tl.store(target, values[i] - origin[i], mask=inside)
        place = 2 * place + point
        tl.store(x2d + place, (values[3] - matrix[2]) / wide, mask=inside)
        tl.store(x2d + place + num_points, (values[4] - matrix[5]) / high, mask=inside)
        tl.store(w2d + place, values[5] * wide, mask=inside)
        tl.store(w2d + place + num_points, values[6] * high, mask=inside)


@triton.jit(do_not_specialize=['num_objects', 'num_points'])
def problem_gradient_kernel(
    points, cam2img, valid, there_is, by_x3d, by_x2d, by_w2d, by_delta, by_points,
    num_objects, num_points,
    RELATIVE: tl.constexpr, TINY: tl.constexpr, MASKED: tl.constexpr, CONSTANT: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradient by the points (B, 7, N) from those by what `problem_kernel` makes of them.

    The intrinsics and the mean that is taken from the points are constants; the pixels are, for the
    threshold, where `CONSTANT`. Placeholders get zeros, as objects whose gradient is not finite.
    """
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    good, matrix, focal = read_camera(cam2img, valid, object_index, there)
    mean, mean_weight, spread, weights, freedom = moments(
        points, there_is, object_index, num_points, good, focal[0], TINY, MASKED, ROWS, BLOCK
    )
    slope = tl.load(by_delta + object_index, mask=there, other=0.0) * RELATIVE
    by_weight = slope * spread / weights
    varies = freedom > 0.0
    by_pixel = slope * mean_weight / (spread * tl.where(varies, freedom, 1.0))
    by_pixel = tl.where(varies, by_pixel, 0.0)
    refused = tl.zeros_like(object_index).to(tl.int32)
    for reading in tl.static_range(2):
        good = good & (refused == 0)  # all of an object's gradient is finite, or it gets none
        for first in range(0, num_points, BLOCK):
            point = first + point_axis(ROWS, 2, BLOCK)
            inside = there & (point < num_points)
            values, seen = read_points(
                points, there_is, object_index, point, num_points, good, MASKED
            )
            place = object_index * num_points
            slopes = load_tuple(by_x3d + 3 * place + point, inside, 3, num_points)
            pixels = load_tuple(by_x2d + 2 * place + point, inside, 2, num_points)
            loads = load_tuple(by_w2d + 2 * place + point, inside, 2, num_points)
            for i in tl.static_range(2):
                pixel = pixels[i] / focal[i]
                if not CONSTANT:
                    pixel += tl.where(seen, by_pixel * (values[3 + i] - mean[3 + i]), 0.0)
                slopes = slopes + (pixel,)
            for i in tl.static_range(2):
                slopes = slopes + (loads[i] * focal[i] + tl.where(seen, by_weight, 0.0),)
            if reading == 0:
                fine = all_finite(slopes, inside)
                refused += over_points(inside.to(tl.int32) - fine.to(tl.int32), ROWS, 2)
            else:
                for i in tl.static_range(7):
                    target = by_points + (7 * place + i * num_points) + point
                    tl.store(target, tl.where(good, slopes[i], 0.0), mask=inside)

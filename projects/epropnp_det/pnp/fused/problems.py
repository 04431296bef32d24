"""Huber thresholds and normalised image coordinates, and their backward pass."""

from __future__ import annotations

import triton
import triton.language as tl

from .algebra import at_least
from .axes import object_axis, over_points, point_axis
from .projection import load_tuple, store_tuple


@triton.jit
def read_points(points, there_is, object_index, point, num_points, there, MASKED: tl.constexpr):
    """Values of a block of points, whether there are such points, and whether they count."""
    inside = there & (point < num_points)
    seen = inside
    if MASKED:
        seen = seen & (tl.load(there_is + object_index * num_points + point, mask=inside) != 0)
    row = points + 7 * object_index * num_points + point
    return load_tuple(row, inside, 7, num_points), inside, seen


@triton.jit
def moments(
    points, there_is, object_index, num_points, there, like,
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
        values, inside, seen = read_points(
            points, there_is, object_index, point, num_points, there, MASKED
        )
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
        values, inside, seen = read_points(
            points, there_is, object_index, point, num_points, there, MASKED
        )
        across, down = values[3] - mean[3], values[4] - mean[4]
        square = tl.where(seen, across * across + down * down, 0.0)
        variance += over_points(square, ROWS, 2)
    weights, freedom = 2.0 * number, at_least(count - 1.0, 1.0)
    variance = variance / freedom
    spread = tl.sqrt(at_least(variance, TINY))
    return mean, weight / weights, spread, weights, tl.where(variance < TINY, 0.0, freedom)


@triton.jit(do_not_specialize=['num_objects', 'num_points'])
def problem_kernel(
    points, cam2img, bounds, there_is, x3d, x2d, w2d, delta, camera, lower, upper, offset,
    num_objects, num_points,
    RELATIVE: tl.constexpr, TINY: tl.constexpr, CENTERED: tl.constexpr, MASKED: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Problems of some objects a program, which reads their points three times.

    Args:
        points: ``x, y, z, u, v`` and the weights, (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: (B, 4).
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
    matrix = load_tuple(cam2img + 9 * object_index, there, 9)
    bound = load_tuple(bounds + 4 * object_index, there, 4)
    wide, high = tl.abs(matrix[0]) + tl.abs(matrix[1]), tl.abs(matrix[3]) + tl.abs(matrix[4])
    mean, mean_weight, spread, weights, freedom = moments(
        points, there_is, object_index, num_points, there, wide, TINY, MASKED, ROWS, BLOCK
    )
    tl.store(delta + object_index, mean_weight * spread * RELATIVE, mask=there)
    zero = tl.zeros_like(wide)
    view = (
        matrix[0] / wide, matrix[1] / wide, zero, matrix[3] / high, matrix[4] / high, zero,
        zero, zero, zero + 1.0,
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
        values, inside, seen = read_points(
            points, there_is, object_index, point, num_points, there, MASKED
        )
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
    points, cam2img, there_is, by_x3d, by_x2d, by_w2d, by_delta, by_points,
    num_objects, num_points,
    RELATIVE: tl.constexpr, TINY: tl.constexpr, MASKED: tl.constexpr, CONSTANT: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradient by the points (B, 7, N) from those by what `problem_kernel` makes of them.

    The intrinsics and the mean that is taken from the points are constants; the pixels are, for the
    threshold, where `CONSTANT`.
    """
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    matrix = load_tuple(cam2img + 9 * object_index, there, 9)
    wide, high = tl.abs(matrix[0]) + tl.abs(matrix[1]), tl.abs(matrix[3]) + tl.abs(matrix[4])
    mean, mean_weight, spread, weights, freedom = moments(
        points, there_is, object_index, num_points, there, wide, TINY, MASKED, ROWS, BLOCK
    )
    slope = tl.load(by_delta + object_index, mask=there, other=0.0) * RELATIVE
    by_weight = slope * spread / weights
    varies = freedom > 0.0
    by_pixel = slope * mean_weight / (spread * tl.where(varies, freedom, 1.0))
    by_pixel = tl.where(varies, by_pixel, 0.0)
    for first in range(0, num_points, BLOCK):
        point = first + point_axis(ROWS, 2, BLOCK)
        values, inside, seen = read_points(
            points, there_is, object_index, point, num_points, there, MASKED
        )
        place = object_index * num_points
        out = by_points + 7 * place + point
        for i in tl.static_range(3):
            slopes = tl.load(by_x3d + (3 * place + i * num_points) + point, mask=inside)
            tl.store(out + i * num_points, slopes, mask=inside)
        for i in tl.static_range(2):
            focal = wide if i == 0 else high
            pixel = tl.load(by_x2d + (2 * place + i * num_points) + point, mask=inside) / focal
            if not CONSTANT:
                pixel += tl.where(seen, by_pixel * (values[3 + i] - mean[3 + i]), 0.0)
            tl.store(out + (3 + i) * num_points, pixel, mask=inside)
            weight = tl.load(by_w2d + (2 * place + i * num_points) + point, mask=inside) * focal
            weight += tl.where(seen, by_weight, 0.0)
            tl.store(out + (5 + i) * num_points, weight, mask=inside)

"""Huber thresholds and normalised image coordinates of objects, and their backward pass."""

from __future__ import annotations

import math

import numpy as np

from .jit import compiled, fill_row
from .screening import refused_of

PLACEHOLDER = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Upper rows of the intrinsics of an object that cannot be solved."""


@compiled
def read_camera(cam2img, good, view):
    """Writes the upper rows of the intrinsics and the focal lengths, (8,)."""
    for row in range(2):
        for column in range(3):
            number = 3 * row + column
            view[number] = cam2img[row, column] if good else PLACEHOLDER[number]
        view[6 + row] = abs(view[3 * row]) + abs(view[3 * row + 1])


@compiled
def total_of(row):
    """Sum of a row."""
    total = 0.0
    for n in range(len(row)):
        total += row[n]
    return total


@compiled
def squares_of(row, mean, mask):
    """Sum of squared distances from ``mean`` of the points that there are."""
    total = 0.0
    if len(mask) == 0:
        for n in range(len(row)):
            total += (row[n] - mean) ** 2
    else:
        for n in range(len(row)):
            total += (row[n] - mean) ** 2 if mask[n] else 0.0
    return total


@compiled
def moments_of(points, mask, good, tiny, moments):
    """Writes what the threshold of an object is made of, (9,).

    Its means of ``x, y, z, u, v``, padding left out; the mean weight; the spread of the pixels; the
    number of weights; and the degrees of freedom of the variance, zero where its floor holds it.
    """
    fill_row(moments, 0.0)
    count = points.shape[1]
    if len(mask) > 0:
        count = 0
        for n in range(len(mask)):
            count += mask[n]
    number, freedom = max(count, 1), max(count - 1, 1)
    variance = 0.0
    if good:
        for row in range(5):
            moments[row] = total_of(points[row]) / number
        moments[5] = (total_of(points[5]) + total_of(points[6])) / (2 * number)
        for row in range(3, 5):
            variance += squares_of(points[row], moments[row], mask) / freedom
    moments[6] = math.sqrt(max(variance, tiny))
    moments[7] = 2 * number
    moments[8] = freedom if variance >= tiny else 0.0


@compiled
def scale_row(source, offset, factor, good, target):
    """``target = (source - offset) * factor``, of zeros for a placeholder."""
    zero = source.dtype.type(0)
    for n in range(len(source)):
        target[n] = ((source[n] if good else zero) - offset) * factor


@compiled
def problems_range(
    start, stop, points, cam2img, bounds, valid, mask, relative, tiny, centered, out
):
    """Problems of some objects; see `reference.problems.build_problem`.

    Args:
        start: First object.
        stop: The one after the last.
        points: (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: (B, 4).
        valid: Which objects are no placeholders, (B,).
        mask: (B, N), or (B, 0) for all points.
        relative: Of the threshold.
        tiny: Floor of the variance.
        centered: Whether points are taken relative to their mean.
        out: Fields of a `Problem`, and the means (B, 3).
    """
    x3d, x2d, w2d, delta, camera, lower, upper, offset = out
    kind = points.dtype.type
    one, view, moments = kind(1), np.empty(8, points.dtype), np.empty(9)
    for index in range(start, stop):
        good, place = valid[index], points[index]
        read_camera(cam2img[index], good, view)
        moments_of(place, mask[index], good, tiny, moments)
        delta[index] = moments[5] * moments[6] * relative
        for axis in range(3):
            offset[index, axis] = moments[axis] if centered else 0.0
            scale_row(place[axis], offset[index, axis], one, good, x3d[index, axis])
            camera[index, 2, axis] = camera[index, axis, 2] = 0.0
        camera[index, 2, 2] = 1.0
        for axis in range(2):
            center, focal = view[3 * axis + 2], view[6 + axis]
            scale_row(place[3 + axis], center, one / focal, good, x2d[index, axis])
            scale_row(place[5 + axis], kind(0), focal, good, w2d[index, axis])
            for column in range(2):
                camera[index, axis, column] = view[3 * axis + column] / focal
            low, high = bounds[index, axis], bounds[index, 2 + axis]
            lower[index, axis] = ((low if good else -one) - center) / focal
            upper[index, axis] = ((high if good else one) - center) / focal


@compiled
def problems_gradient_range(
    start, stop, points, cam2img, valid, mask, relative, tiny, constant, by, by_points
):
    """Gradients by the points (B, 7, N) from those by what `problems_range` makes of them.

    The intrinsics and the mean that is taken from the points are constants; the pixels are, for the
    threshold, where ``constant``. Placeholders get zeros, as objects whose gradient is not finite.
    """
    by_x3d, by_x2d, by_w2d, by_delta = by
    view, moments = np.empty(8, points.dtype), np.empty(9)
    kind = points.dtype.type
    for index in range(start, stop):
        good, place, target = valid[index], points[index], by_points[index]
        read_camera(cam2img[index], good, view)
        moments_of(place, mask[index], good, tiny, moments)
        slope = by_delta[index] * relative
        by_weight = kind(slope * moments[6] / moments[7])
        by_pixel = kind(0)
        if moments[8] > 0.0 and not constant:
            by_pixel = kind(slope * moments[5] / (moments[6] * moments[8]))
        refused = 0
        for axis in range(3):
            for n in range(points.shape[2]):
                target[axis, n] = by_x3d[index, axis, n]
        for axis in range(2):
            focal, mean = view[6 + axis], kind(moments[3 + axis])
            for n in range(points.shape[2]):
                seen = kind(1) if mask.shape[1] == 0 or mask[index, n] else kind(0)
                pixel = by_pixel * (place[3 + axis, n] - mean) * seen
                target[3 + axis, n] = by_x2d[index, axis, n] / focal + pixel
                target[5 + axis, n] = by_w2d[index, axis, n] * focal + by_weight * seen
        for row in range(7):
            refused += refused_of(target[row])
        if not (good and refused == 0):
            for row in range(7):
                fill_row(target[row], kind(0))

"""Costs of many poses per object, their gradient, and random subsets, object by object."""

from __future__ import annotations

import numpy as np

from ..reference.subsets import STRIDE
from .camera import cost_of, gradient_of, project_matrix, write_limits
from .jit import compiled, fill_row


@compiled
def costs_range(start, stop, x3d, x2d, w2d, delta, camera, lower, upper, z_min, poses, costs):
    """Costs (B, S) of the poses (B, S, dim) of some objects."""
    rotation, matrix = np.empty((3, 3)), np.empty((3, 4), x3d.dtype)
    limits = np.empty(10, x3d.dtype)
    for index in range(start, stop):
        write_limits(limits, delta[index], z_min, lower[index], upper[index])
        for number in range(poses.shape[1]):
            project_matrix(camera[index], poses[index, number], rotation, matrix)
            costs[index, number] = cost_of(x3d[index], x2d[index], w2d[index], matrix, limits)


@compiled
def gradients_range(
    start, stop, x3d, x2d, w2d, delta, camera, lower, upper, z_min, poses, grad, tolerance, out
):
    """Gradients of ``sum(grad * costs)`` of some objects by points and threshold.

    Poses whose gradient is at most ``tolerance`` times the object's mean are left out.
    """
    by_x3d, by_x2d, by_w2d, by_delta = out
    rotation, matrix = np.empty((3, 3)), np.empty((3, 4), x3d.dtype)
    limits = np.empty(10, x3d.dtype)
    for index in range(start, stop):
        write_limits(limits, delta[index], z_min, lower[index], upper[index])
        threshold = 0.0
        for number in range(poses.shape[1]):
            threshold += abs(grad[index, number])
        threshold *= tolerance / max(1, poses.shape[1])
        total = 0.0
        for number in range(poses.shape[1]):
            scale = grad[index, number]
            if abs(scale) <= threshold:
                continue
            project_matrix(camera[index], poses[index, number], rotation, matrix)
            total += gradient_of(
                x3d[index],
                x2d[index],
                w2d[index],
                matrix,
                limits,
                scale,
                by_x3d[index],
                by_x2d[index],
                by_w2d[index],
            )
        by_delta[index] = total


@compiled
def subsets_range(start, stop, weight, table, level, clock, indices):
    """Subsets (B, P, k) of some objects; see `reference.subsets.draw_subsets`."""
    num_points = weight.shape[1]
    guide, seen = np.empty(num_points + 1, np.int64), np.empty(num_points, np.bool_)
    for index in range(start, stop):
        _fill_guide(table[index], guide)
        for subset in range(indices.shape[1]):
            fill_row(seen, False)
            chosen = indices[index, subset]
            count = _draw(table[index], guide, level[index, subset], seen, chosen)
            for place in range(count, len(chosen)):
                first = _winner(weight[index], clock[index], subset * STRIDE, seen)
                seen[first] = True
                chosen[place] = first


@compiled
def _fill_guide(table, guide):
    """Where to begin a search of the table: for every even share the point that has it."""
    num_points, point = len(table), 0
    for cell in range(num_points + 1):
        while point < num_points - 1 and table[point] * num_points <= cell:
            point += 1
        guide[cell] = point


@compiled
def _draw(table, guide, level, seen, chosen):
    """Writes the first different points of the draws; returns how many there are."""
    num_points, count = len(table), 0
    for draw in range(len(level)):
        wanted = level[draw]
        point = guide[int(wanted * num_points)]
        while point > 0 and table[point - 1] > wanted:
            point -= 1
        while point < num_points - 1 and table[point] <= wanted:
            point += 1
        if not seen[point]:
            seen[point] = True
            chosen[count] = point
            count += 1
            if count == len(chosen):
                break
    return count


@compiled
def _winner(weight, clock, shift, seen):
    """The earliest of the points not drawn yet."""
    num_points, first, earliest = len(weight), -1, np.inf
    for point in range(num_points):
        if not seen[point]:
            arrival = clock[(shift + point) % num_points] / weight[point]
            if first < 0 or arrival < earliest:
                first, earliest = point, arrival
    return first

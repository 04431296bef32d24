"""Costs of many poses per object, their gradient, and random subsets, object by object."""

from __future__ import annotations

import math

import numpy as np

from .camera import cost_of, gradient_of, project_matrix, write_limits
from .jit import compiled, fill_row, inlined
from .lanes import LANES, load_point

GUIDES = 4
"""Places to begin a search at, per point."""


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

    Poses whose gradient is at most ``tolerance`` times the object's mean are left out. Padding of a
    block has no weight.
    """
    by_x3d, by_x2d, by_w2d, by_delta = out
    num_points, num_poses = x3d.shape[2], poses.shape[1]
    rotation, limits = np.empty((3, 3)), np.empty(10, x3d.dtype)
    matrices, kept = np.empty((num_poses, 3, 4), x3d.dtype), np.empty(num_poses, np.int64)
    points, sums = np.zeros(7 * LANES, x3d.dtype), np.empty(8 * LANES, x3d.dtype)
    for index in range(start, stop):
        write_limits(limits, delta[index], z_min, lower[index], upper[index])
        threshold, count, total = 0.0, 0, 0.0
        for number in range(num_poses):
            threshold += abs(grad[index, number])
        threshold *= tolerance / max(1, num_poses)
        for number in range(num_poses):
            if abs(grad[index, number]) > threshold:
                project_matrix(camera[index], poses[index, number], rotation, matrices[count])
                kept[count] = number
                count += 1
        for first in range(0, num_points, LANES):
            size = min(LANES, num_points - first)
            fill_row(points, limits[9])
            fill_row(sums, limits[9])
            for n in range(size):
                load_point(points, n, x3d[index], x2d[index], w2d[index], first + n)
            for place in range(count):
                gradient_of(points, matrices[place], limits, grad[index, kept[place]], sums)
            for n in range(size):
                for axis in range(3):
                    by_x3d[index, axis, first + n] = sums[axis * LANES + n]
                for axis in range(2):
                    by_x2d[index, axis, first + n] = sums[(3 + axis) * LANES + n]
                    by_w2d[index, axis, first + n] = sums[(5 + axis) * LANES + n]
                total += sums[7 * LANES + n]
        by_delta[index] = total


@compiled
def subsets_range(start, stop, weight, table, level, clock, speeds, angles, indices):
    """Subsets (B, P, k) of some objects; see `reference.subsets.draw_subsets`."""
    num_points = weight.shape[1]
    guide, seen = np.empty(GUIDES * num_points + 1, np.int64), np.zeros(num_points, np.int64)
    arrival = np.empty(num_points)
    mark = 0
    for index in range(start, stop):
        _fill_guide(table[index], guide)
        for subset in range(indices.shape[1]):
            mark += 1
            count = _draw(table, guide, level, index, subset, seen, mark, indices)
            if count < indices.shape[2]:
                for point in range(num_points):
                    angle = clock[index, point] * speeds[subset] + angles[subset]
                    arrival[point] = -math.log1p(math.floor(angle) - angle) / weight[index, point]
                _complete(arrival, seen, mark, indices[index, subset], count)


@compiled
def _fill_guide(table, guide):
    """Where to begin a search of the table: for every even share the first that may have it."""
    last, point = len(table) - 1, 0
    for cell in range(len(guide)):
        # a share's cell is rounded, so it may lie a little below
        while point < last and table[point] * (len(guide) - 1) <= cell - 1e-9:
            point += 1
        guide[cell] = point


@inlined
def _draw(table, guide, level, index, subset, seen, mark, indices):
    """Writes the first different points of the draws, marks them, and returns how many.

    Takes arrays of all subsets: to cut them up takes as long as to draw.
    """
    last, cells, count = table.shape[1] - 1, float(len(guide) - 1), 0
    for draw in range(level.shape[2]):
        wanted = level[index, subset, draw]
        point = guide[int(wanted * cells)]
        while table[index, point] <= wanted and point < last:
            point += 1
        if seen[point] != mark:
            seen[point] = mark
            indices[index, subset, count] = point
            count += 1
            if count == indices.shape[2]:
                break
    return count


@compiled
def _complete(arrival, seen, mark, chosen, count):
    """Fills the free places with the earliest of the points not drawn yet."""
    for place in range(count, len(chosen)):
        first = -1
        for point in range(len(arrival)):
            if seen[point] != mark and (first < 0 or arrival[point] < arrival[first]):
                first = point
        seen[first] = mark
        chosen[place] = first

"""Where the random-sample solver starts, and which of its poses it keeps (docs/method.md 1.6)."""

from __future__ import annotations

import math

import numpy as np

from ..reference import search
from .jit import compiled

SMALL = search.SMALL


@compiled
def share_of(w2d, mask, weighted, tiny, share):
    """Writes what the points of an object count (N,), which adds up to one."""
    total = 0.0
    for n in range(len(share)):
        if weighted:
            count = float(w2d[0, n] + w2d[1, n])
        else:
            count = 1.0 if len(mask) == 0 or mask[n] else 0.0
        share[n] = count if count > tiny else tiny
        total += share[n]
    for n in range(len(share)):
        share[n] /= total


@compiled
def spread_of(row, share):
    """Mean and variance of a row, (N,), weighted by ``share``."""
    mean, variance = 0.0, 0.0
    for n in range(len(row)):
        mean += share[n] * row[n]
    for n in range(len(row)):
        variance += share[n] * (row[n] - mean) ** 2
    return mean, variance


@compiled
def starts_range(start, stop, x3d, x2d, w2d, camera, mask, noise, weighted, tiny, starts):
    """Starting poses (B, P, dim) of some objects; see `reference.search.start_poses`.

    Args:
        start: First object.
        stop: The one after the last.
        x3d: (B, 3, N).
        x2d: (B, 2, N).
        w2d: (B, 2, N).
        camera: (B, 3, 3).
        mask: (B, N), or (B, 0) for all points.
        noise: (B, P, dim - 3).
        weighted: Whether points count by their weights.
        tiny: What a point counts at least.
        starts: Written.
    """
    num_points, dim = x3d.shape[2], starts.shape[2]
    share, rays = np.empty(num_points), np.empty((2, num_points))
    mean, variance, rotation = np.empty(2), np.empty(5), np.empty(4)
    for index in range(start, stop):
        share_of(w2d[index], mask[index], weighted, tiny, share)
        a, b = float(camera[index, 0, 0]), float(camera[index, 0, 1])
        c, d = float(camera[index, 1, 0]), float(camera[index, 1, 1])
        inverse = 1.0 / (a * d - b * c)
        for n in range(num_points):
            u, v = x2d[index, 0, n], x2d[index, 1, n]
            rays[0, n], rays[1, n] = (d * u - b * v) * inverse, (a * v - c * u) * inverse
        for axis in range(2):
            mean[axis], variance[axis] = spread_of(rays[axis], share)
        for axis in range(3):
            _, variance[2 + axis] = spread_of(x3d[index, axis], share)
        depth = _depth_of(variance, dim)
        for number in range(noise.shape[1]):
            pose = starts[index, number]
            pose[0], pose[1], pose[2] = mean[0] * depth, mean[1] * depth, depth
            if dim == 4:
                pose[3] = (noise[index, number, 0] - 0.5) * (2.0 * math.pi)
            else:
                for axis in range(4):
                    rotation[axis] = noise[index, number, axis]
                write_unit(rotation, pose[3:])


@compiled
def _depth_of(variance, dim):
    """Depth at which an object as large as in space is as large as in the image."""
    flat, solid = variance[0] + variance[1], variance[2] + variance[3] + variance[4]
    if dim == 4 and variance[3] > SMALL**2:
        return math.sqrt(variance[3] / max(variance[1], SMALL**2))
    return math.sqrt((solid / 3.0) / max(flat / 2.0, SMALL**2))


@compiled
def write_unit(quaternion, target):
    """Writes a unit quaternion; the identity where there is hardly a norm."""
    square = 0.0
    for axis in range(4):
        square += quaternion[axis] * quaternion[axis]
    good = square > 1e-12
    for axis in range(4):
        identity = 1.0 if axis == 0 else 0.0
        target[axis] = quaternion[axis] / math.sqrt(square) if good else identity


@compiled
def best_range(start, stop, poses, costs, nearest, best, lowest):
    """Poses (B, dim) and their costs (B,) of some objects; see `reference.search.best_pose`."""
    for index in range(start, stop):
        before = False
        for number in range(poses.shape[1]):
            before |= not poses[index, number, 2] <= nearest
        chosen, least = 0, math.inf
        for number in range(poses.shape[1]):
            behind = poses[index, number, 2] <= nearest
            # neither NaN nor minus infinity wins
            if -math.inf < costs[index, number] < least and not (behind and before):
                chosen, least = number, costs[index, number]
        for axis in range(poses.shape[2]):
            best[index, axis] = poses[index, chosen, axis]
        lowest[index] = costs[index, chosen]

"""Adaptive multiple importance sampling, object by object (docs/method.md 1.7)."""

from __future__ import annotations

import math

import numpy as np

from .camera import cost_of, project_matrix, write_limits
from .jit import compiled
from .proposals import LENGTH, initial, log_density, refit, sample


@compiled
def posterior_range(
    start, stop, x3d, x2d, w2d, delta, camera, lower, upper, z_min, solution, noise, out
):
    """Samples the posteriors of some objects; see `reference.posterior.sample_posterior`.

    Args:
        start: First object.
        stop: The one after the last.
        x3d: (B, 3, N).
        x2d: (B, 2, N).
        w2d: (B, 2, N).
        delta: (B,).
        camera: (B, 3, 3).
        lower: (B, 2).
        upper: (B, 2).
        z_min: Metres.
        solution: Poses (B, dim) and covariances (B, dof, dof), float64.
        noise: Normal (T, B, n, 6 or 10) and uniform numbers (T, B, m).
        out: Poses (B, S, dim), costs and log-densities (B, S).
    """
    centers, covariances = solution
    normal, uniform = noise
    poses, costs, densities = out
    rounds, _, count = normal.shape[:3]
    rows = np.zeros((rounds, LENGTH))
    by_proposal, weights = np.empty((rounds, rounds * count)), np.empty(rounds * count)
    rotation, matrix = np.empty((3, 3)), np.empty((3, 4), x3d.dtype)
    limits = np.empty(10, x3d.dtype)
    for index in range(start, stop):
        write_limits(limits, delta[index], z_min, lower[index], upper[index])
        for number in range(rounds):
            first, last = number * count, (number + 1) * count
            if number == 0:
                initial(centers[index], covariances[index], rows[0])
            else:
                _softmax(costs[index, :first], densities[index, :first], weights)
                refit(poses[index, :first], weights, rows[number])
            drawn = poses[index, first:last]
            sample(rows[number], normal[number, index], uniform[number, index], drawn)
            for n in range(first, last):
                project_matrix(camera[index], poses[index, n], rotation, matrix)
                costs[index, n] = cost_of(x3d[index], x2d[index], w2d[index], matrix, limits)
                for older in range(number):
                    by_proposal[older, n] = log_density(rows[older], poses[index, n])
            for n in range(last):
                by_proposal[number, n] = log_density(rows[number], poses[index, n])
                densities[index, n] = _log_mean_exp(by_proposal[: number + 1, n])


@compiled
def _log_mean_exp(values):
    highest, total = -math.inf, 0.0
    for value in values:
        highest = max(highest, value)
    if not abs(highest) < math.inf:
        return highest
    for value in values:
        total += math.exp(value - highest)
    return highest + math.log(total / len(values))


@compiled
def _softmax(costs, densities, weights):
    highest, total = -math.inf, 0.0
    for n in range(len(costs)):
        highest = max(highest, -float(costs[n]) - float(densities[n]))
    for n in range(len(costs)):
        weights[n] = math.exp(-float(costs[n]) - float(densities[n]) - highest)
        total += weights[n]
    for n in range(len(costs)):
        weights[n] /= total

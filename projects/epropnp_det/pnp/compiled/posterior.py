"""Adaptive multiple importance sampling, object by object (docs/method.md 1.7)."""

from __future__ import annotations

import math

import numpy as np

from .camera import cost_of, multiply, write_limits
from .jit import compiled, fill_row
from .proposals import (
    LENGTH,
    add_density,
    initial,
    keep_samples,
    log_peak,
    refit,
    sample,
    turn_sample,
)


@compiled
def posterior_range(
    start, stop, turn, x3d, x2d, w2d, delta, camera, lower, upper, z_min, solution, noise, out
):
    """Samples the posteriors of some objects; see `reference.posterior.sample_posterior`.

    Args:
        start: First object.
        stop: The one after the last.
        turn: None for yaw, anything else for quaternions.
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
    rows, samples = np.zeros((rounds, LENGTH)), np.empty((7, rounds * count))
    mixture, weights = np.empty(rounds * count), np.empty(rounds * count)
    rotation, matrix = np.empty((3, 3)), np.empty((3, 4), x3d.dtype)
    limits = np.empty(10, x3d.dtype)
    for index in range(start, stop):
        write_limits(limits, delta[index], z_min, lower[index], upper[index])
        fill_row(mixture, 0.0)
        shift = 0.0
        for number in range(rounds):
            first, last = number * count, (number + 1) * count
            if number == 0:
                initial(turn, centers[index], covariances[index], rows[0])
                shift = -log_peak(turn, rows[0])
            else:
                _importance(costs[index, :first], mixture, weights)
                refit(turn, samples, first, weights, rows[number])
            drawn = poses[index, first:last]
            sample(turn, rows[number], normal[number, index], uniform[number, index], drawn)
            keep_samples(turn, poses[index], first, last, samples)
            for n in range(first, last):
                turn_sample(turn, samples, n, rotation)
                x, y, z = samples[0, n], samples[1, n], samples[2, n]
                multiply(camera[index], rotation, x, y, z, matrix)
                costs[index, n] = cost_of(x3d[index], x2d[index], w2d[index], matrix, limits)
            for older in range(number):
                add_density(turn, rows[older], shift, samples, first, last, mixture)
            add_density(turn, rows[number], shift, samples, 0, last, mixture)
        for n in range(rounds * count):
            densities[index, n] = math.log(mixture[n] / rounds) - shift


@compiled
def _importance(costs, mixture, weights):
    """Normalised weights ``exp(-cost) / mixture``."""
    cheapest, total = math.inf, 0.0
    for n in range(len(costs)):
        cheapest = min(cheapest, float(costs[n]))
    for n in range(len(costs)):
        weights[n] = math.exp(cheapest - float(costs[n])) / mixture[n]
        total += weights[n]
    for n in range(len(costs)):
        weights[n] /= total

"""What is told of a solution, in the caller's frame."""

from __future__ import annotations

import math

import numpy as np

from ..reference.frames import CONVERGED_DECREMENT
from .camera import rotation_of
from .jit import compiled
from .proposals import invert
from .screening import refused_of
from .search import write_unit

CONVERGED = CONVERGED_DECREMENT**2


@compiled
def covariances_range(start, stop, systems, eps, covariances):
    """Covariances (B, dof, dof) from systems (B, dof, dof + 1) of some objects."""
    dof = systems.shape[1]
    damped, spread = np.empty((dof, dof)), np.empty((dof, dof))
    for index in range(start, stop):
        covariance_of(systems[index], eps, damped, spread)
        for row in range(dof):
            for column in range(dof):
                covariances[index, row, column] = spread[row, column]


@compiled
def covariance_of(system, eps, damped, spread):
    """Writes ``(J^T J + eps I)^-1``, (dof, dof)."""
    for row in range(len(spread)):
        for column in range(len(spread)):
            damped[row, column] = system[row, column]
        damped[row, row] += eps
    invert(damped, spread)


@compiled
def canonical(pose, target):
    """Writes a pose (dim,) with its yaw wrapped, or its quaternion normalised, as float64."""
    for axis in range(len(pose)):
        target[axis] = pose[axis]
    if len(pose) == 4:
        target[3] -= 2.0 * math.pi * np.rint(target[3] / (2.0 * math.pi))
    else:
        write_unit(target[3:], target[3:])


@compiled
def leave_range(start, stop, poses, offset, moved):
    """Canonical poses (B, S, dim) of some objects, from frames at (B, 3) or, (B, 0), none."""
    rotation, pose, turned = np.empty((3, 3)), np.empty(poses.shape[2]), np.empty(3)
    for index in range(start, stop):
        for number in range(poses.shape[1]):
            canonical(poses[index, number], pose)
            if offset.shape[1] > 0:
                turn_offset(pose, offset[index], rotation, turned)
            for axis in range(len(pose)):
                moved[index, number, axis] = pose[axis]


@compiled
def turn_offset(pose, offset, rotation, turned):
    """Writes ``R offset``, (3,), and takes it from the position."""
    rotation_of(pose, rotation)
    for row in range(3):
        turned[row] = 0.0
        for column in range(3):
            turned[row] += rotation[row, column] * offset[column]
        pose[row] -= turned[row]


@compiled
def turn_covariance(spread, turned):
    """Makes the covariance of ``t`` and the rotation that of ``t - turned`` and the rotation.

    ``turned`` moves by ``turned x`` minus twice the tangent vector, or about y with the yaw.
    """
    x, y, z = turned[0], turned[1], turned[2]
    corner = np.zeros((3, 3))  # minus the motion, by tangent coordinate
    size = len(spread) - 3
    if size == 1:
        corner[0, 0], corner[2, 0] = -z, x
    else:
        corner[1, 0], corner[2, 0] = -2.0 * z, 2.0 * y
        corner[0, 1], corner[2, 1] = 2.0 * z, -2.0 * x
        corner[0, 2], corner[1, 2] = -2.0 * y, 2.0 * x
    for row in range(3):  # from the left, then from the right
        for column in range(len(spread)):
            for k in range(size):
                spread[row, column] += corner[row, k] * spread[3 + k, column]
    for row in range(len(spread)):
        for column in range(3):
            for k in range(size):
                spread[row, column] += corner[column, k] * spread[row, 3 + k]


@compiled
def conclude_range(start, stop, poses, costs, systems, offset, valid, eps, out):
    """Everything that is told of some objects; see `reference.frames.conclude`.

    Args:
        start: First object.
        stop: The one after the last.
        poses: (B, dim).
        costs: (B,).
        systems: (B, dof, dof + 1).
        offset: (B, 3), or (B, 0) for none.
        valid: (B,).
        eps: Added to the diagonals.
        out: Fields of a `Solved`.
    """
    told, cost, covariances, converged, sound = out
    dof, dim = systems.shape[1], poses.shape[1]
    damped, spread = np.empty((dof, dof)), np.empty((dof, dof))
    rotation, pose, turned = np.empty((3, 3)), np.empty(dim), np.empty(3)
    for index in range(start, stop):
        covariance_of(systems[index], eps, damped, spread)
        decrement = 0.0
        for row in range(dof):
            for column in range(dof):
                product = systems[index, row, dof] * systems[index, column, dof]
                decrement += spread[row, column] * product
        canonical(poses[index], pose)
        if offset.shape[1] > 0:
            turn_offset(pose, offset[index], rotation, turned)
            turn_covariance(spread, turned)
        refused = 0 if abs(costs[index]) < math.inf else 1
        for axis in range(dim):
            told[index, axis] = pose[axis]
        refused += refused_of(told[index])  # of what is told, whose type may overflow
        for row in range(dof):
            for column in range(dof):
                covariances[index, row, column] = spread[row, column]
            refused += refused_of(covariances[index, row])
        good = valid[index] and refused == 0
        sound[index], converged[index] = good, good and decrement < CONVERGED
        cost[index] = costs[index] if good else 0
        if not good:
            _write_placeholder(told[index], covariances[index])


@compiled
def _write_placeholder(pose, covariance):
    """The unrotated pose one metre before the camera, and unit covariance."""
    for axis in range(len(pose)):
        pose[axis] = 1.0 if axis == 2 or (axis == 3 and len(pose) == 7) else 0.0
    for row in range(len(covariance)):
        for column in range(len(covariance)):
            covariance[row, column] = 1.0 if row == column else 0.0

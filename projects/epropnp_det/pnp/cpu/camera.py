"""Projection, cost and Gauss-Newton system of one object under one pose (docs/method.md 1.1, 1.3).

Points come as rows of one coordinate each, so that the loops over points run in SIMD. Poses and
small systems are float64 whatever the points are.
"""

from __future__ import annotations

import math

import numpy as np

from ..problem import SQUARE_FLOOR
from .jit import compiled

FLOOR = SQUARE_FLOOR


@compiled
def rotation_of(pose, rotation):
    """Writes the rotation matrix of a pose (dim,) to (3, 3)."""
    if len(pose) == 4:
        cos, sin = math.cos(pose[3]), math.sin(pose[3])
        rotation[0, 0], rotation[0, 1], rotation[0, 2] = cos, 0.0, sin
        rotation[1, 0], rotation[1, 1], rotation[1, 2] = 0.0, 1.0, 0.0
        rotation[2, 0], rotation[2, 1], rotation[2, 2] = -sin, 0.0, cos
        return
    w, i, j, k = pose[3], pose[4], pose[5], pose[6]
    rotation[0, 0] = 1.0 - 2.0 * (j * j + k * k)
    rotation[0, 1] = 2.0 * (i * j - k * w)
    rotation[0, 2] = 2.0 * (i * k + j * w)
    rotation[1, 0] = 2.0 * (i * j + k * w)
    rotation[1, 1] = 1.0 - 2.0 * (i * i + k * k)
    rotation[1, 2] = 2.0 * (j * k - i * w)
    rotation[2, 0] = 2.0 * (i * k - j * w)
    rotation[2, 1] = 2.0 * (j * k + i * w)
    rotation[2, 2] = 1.0 - 2.0 * (i * i + j * j)


@compiled
def project_matrix(camera, pose, rotation, matrix):
    """Writes ``camera [R | t]``, (3, 4), in the type of the points."""
    rotation_of(pose, rotation)
    for row in range(3):
        for column in range(3):
            total = 0.0
            for inner in range(3):
                total += camera[row, inner] * rotation[inner, column]
            matrix[row, column] = total
        matrix[row, 3] = (
            camera[row, 0] * pose[0] + camera[row, 1] * pose[1] + camera[row, 2] * pose[2]
        )


@compiled
def cost_of(x3d, x2d, w2d, matrix, limits):
    """Robust cost under one projection.

    Args:
        x3d: (3, N).
        x2d: (2, N).
        w2d: (2, N).
        matrix: ``camera [R | t]``, (3, 4).
        limits: Huber threshold, ``z_min``, smallest u and v, largest u and v, one half, one, the
            smallest squared distance, zero; all in the type of the points.
    """
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    e, f, g, h = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    p, q, r, s = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    delta, z_min, half, one = limits[0], limits[1], limits[6], limits[7]
    u_low, v_low, u_high, v_high = limits[2], limits[3], limits[4], limits[5]
    floor = limits[8]
    total = limits[9]
    for n in range(x3d.shape[1]):
        x, y, z = x3d[0, n], x3d[1, n], x3d[2, n]
        depth = p * x + q * y + r * z + s
        depth = depth if depth > z_min else z_min
        inverse = one / depth
        u = (a * x + b * y + c * z + d) * inverse
        v = (e * x + f * y + g * z + h) * inverse
        u = u_low if u < u_low else u
        u = u_high if u > u_high else u
        v = v_low if v < v_low else v
        v = v_high if v > v_high else v
        across = (u - x2d[0, n]) * w2d[0, n]
        down = (v - x2d[1, n]) * w2d[1, n]
        square = across * across + down * down
        square = floor if square < floor else square
        distance = math.sqrt(square)
        inner = delta if distance > delta else distance
        total += inner * (distance - half * inner)
    return total


@compiled
def linearize(dof, x3d, x2d, w2d, camera, pose, clip, work, system):
    """Robust cost; writes ``J^T [J, r]`` to ``system`` (dof, dof + 1).

    The rows of the Jacobian are kept in the scratch of ``work`` (`empty_work`), (dof + 2, 2 N):
    first those, then the difference to the image points, then what multiplies their products.
    """
    scratch, rotation, matrix, limits = work
    project_matrix(camera, pose, rotation, matrix)
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    e, f, g, h = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    p, q, r, s = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    delta, z_min, half, one = limits[0], limits[1], limits[6], limits[7]
    u_low, v_low, u_high, v_high = limits[2], limits[3], limits[4], limits[5]
    floor, zero = limits[8], limits[9]
    count = x3d.shape[1]
    total = zero
    for n in range(count):
        x, y, z = x3d[0, n], x3d[1, n], x3d[2, n]
        behind = p * x + q * y + r * z + s
        depth = behind if behind > z_min else z_min
        inverse = one / depth
        u = (a * x + b * y + c * z + d) * inverse
        v = (e * x + f * y + g * z + h) * inverse
        u_in = u_low if u < u_low else u
        u_in = u_high if u_in > u_high else u_in
        v_in = v_low if v < v_low else v
        v_in = v_high if v_in > v_high else v_in
        over, under = u_in - x2d[0, n], v_in - x2d[1, n]
        across, down = over * w2d[0, n], under * w2d[1, n]
        square = across * across + down * down
        square = floor if square < floor else square
        distance = math.sqrt(square)
        inner = delta if distance > delta else distance
        total += inner * (distance - half * inner)
        pull = inner / distance
        u_pull, v_pull = pull * w2d[0, n] * w2d[0, n], pull * w2d[1, n] * w2d[1, n]
        if clip:
            seen = one if behind > z_min else zero
            u_pull = u_pull * seen if u_in == u else zero
            v_pull = v_pull * seen if v_in == v else zero
        scratch[2, n], scratch[2, count + n] = -u_in * inverse, -v_in * inverse
        scratch[0, n], scratch[0, count + n] = inverse, u_in  # for the rest, see below
        scratch[dof, n], scratch[dof, count + n] = over, under
        scratch[dof + 1, n], scratch[dof + 1, count + n] = u_pull, v_pull
    _rotation_rows(dof, x3d, camera, rotation, limits, scratch)
    _position_rows(count, camera, limits, scratch)
    for row in range(dof):
        for column in range(row, dof + 1):
            product = zero
            for n in range(2 * count):
                product += scratch[row, n] * scratch[column, n] * scratch[dof + 1, n]
            system[row, column] = product
            if column < dof:
                system[column, row] = product
    return total


@compiled
def _rotation_rows(dof, x3d, camera, rotation, limits, scratch):
    """Jacobian by the turn: of ``(m_xy - u m_z) / z`` with ``m`` how the point moves."""
    count = x3d.shape[1]
    kind, one = x3d.dtype.type, limits[7]
    r00, r01, r02 = kind(rotation[0, 0]), kind(rotation[0, 1]), kind(rotation[0, 2])
    r10, r11, r12 = kind(rotation[1, 0]), kind(rotation[1, 1]), kind(rotation[1, 2])
    r20, r21, r22 = kind(rotation[2, 0]), kind(rotation[2, 1]), kind(rotation[2, 2])
    k00, k01, k10, k11 = camera[0, 0], camera[0, 1], camera[1, 0], camera[1, 1]
    two = one + one
    for n in range(count):
        x, y, z = x3d[0, n], x3d[1, n], x3d[2, n]
        inverse, tilt_u, tilt_v = scratch[0, n], scratch[2, n], scratch[2, count + n]
        rx = r00 * x + r01 * y + r02 * z
        rz = r20 * x + r21 * y + r22 * z
        if dof == 4:
            scratch[3, n] = k00 * rz * inverse - tilt_u * rx
            scratch[3, count + n] = k10 * rz * inverse - tilt_v * rx
        else:
            ry = r10 * x + r11 * y + r12 * z
            rx, ry, rz = two * rx, two * ry, two * rz
            scratch[3, n] = k01 * rz * inverse - tilt_u * ry
            scratch[3, count + n] = k11 * rz * inverse - tilt_v * ry
            scratch[4, n] = tilt_u * rx - k00 * rz * inverse
            scratch[4, count + n] = tilt_v * rx - k10 * rz * inverse
            scratch[5, n] = (k00 * ry - k01 * rx) * inverse
            scratch[5, count + n] = (k10 * ry - k11 * rx) * inverse


@compiled
def _position_rows(count, camera, limits, scratch):
    """Jacobian by the position: ``[camera_xy, -u] / z``; the last column is there already."""
    k00, k01, k10, k11 = camera[0, 0], camera[0, 1], camera[1, 0], camera[1, 1]
    for n in range(count):
        inverse = scratch[0, n]
        scratch[0, n], scratch[1, n] = k00 * inverse, k01 * inverse
        scratch[0, count + n], scratch[1, count + n] = k10 * inverse, k11 * inverse


@compiled
def write_limits(limits, delta, z_min, lower, upper):
    """Fills the constants that `cost_of` takes, (10,)."""
    limits[0], limits[1] = delta, z_min
    limits[2], limits[3], limits[4], limits[5] = lower[0], lower[1], upper[0], upper[1]
    limits[6], limits[7], limits[8], limits[9] = 0.5, 1.0, FLOOR, 0.0


@compiled
def gradient_of(x3d, x2d, w2d, matrix, limits, scale, by_x3d, by_x2d, by_w2d):
    """Adds ``scale`` times the gradients of `cost_of` by the points; returns that by delta."""
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    e, f, g, h = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    p, q, r, s = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    delta, z_min, one = limits[0], limits[1], limits[7]
    u_low, v_low, u_high, v_high = limits[2], limits[3], limits[4], limits[5]
    floor, zero = limits[8], limits[9]
    by_delta = zero
    for n in range(x3d.shape[1]):
        x, y, z = x3d[0, n], x3d[1, n], x3d[2, n]
        behind = p * x + q * y + r * z + s
        depth = behind if behind > z_min else z_min
        inverse = one / depth
        u = (a * x + b * y + c * z + d) * inverse
        v = (e * x + f * y + g * z + h) * inverse
        u_in = u_low if u < u_low else u
        u_in = u_high if u_in > u_high else u_in
        v_in = v_low if v < v_low else v
        v_in = v_high if v_in > v_high else v_in
        over, under = u_in - x2d[0, n], v_in - x2d[1, n]
        wu, wv = w2d[0, n], w2d[1, n]
        across, down = over * wu, under * wv
        square = across * across + down * down
        square = floor if square < floor else square
        distance = math.sqrt(square)
        inner = delta if distance > delta else distance
        by_delta += distance - inner
        pull = scale * inner / distance
        over_pull, under_pull = pull * over, pull * under
        by_w2d[0, n] += over_pull * over * wu
        by_w2d[1, n] += under_pull * under * wv
        over_pull, under_pull = over_pull * wu * wu, under_pull * wv * wv
        by_x2d[0, n] -= over_pull
        by_x2d[1, n] -= under_pull
        over_pull = over_pull * inverse if u_in == u else zero
        under_pull = under_pull * inverse if v_in == v else zero
        by_z = -(over_pull * u_in + under_pull * v_in)
        by_z = by_z if behind > z_min else zero
        by_x3d[0, n] += a * over_pull + e * under_pull + p * by_z
        by_x3d[1, n] += b * over_pull + f * under_pull + q * by_z
        by_x3d[2, n] += c * over_pull + g * under_pull + r * by_z
    return scale * by_delta


@compiled
def empty_work(dof, count, points):
    """What `linearize` writes to: scratch, rotation, matrix and limits."""
    return (
        np.empty((dof + 2, 2 * count), points.dtype),
        np.empty((3, 3)),
        np.empty((3, 4), points.dtype),
        np.empty(10, points.dtype),
    )

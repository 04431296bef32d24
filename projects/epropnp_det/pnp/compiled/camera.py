"""Projection and cost of one object under one pose, and its gradient (docs/method.md 1.1, 1.3).

Points come as rows of one coordinate each, so that the loops over points run in SIMD. Poses
are float64 whatever the points are.
"""

from __future__ import annotations

import math

from ..problem import SQUARE_FLOOR
from .jit import compiled
from .lanes import LANES

FLOOR = SQUARE_FLOOR


@compiled
def rotation_of(pose, rotation):
    """Writes the rotation matrix of a pose (dim,) to (3, 3)."""
    if len(pose) == 4:
        yaw_rotation(math.cos(pose[3]), math.sin(pose[3]), rotation)
    else:
        quaternion_rotation(pose[3], pose[4], pose[5], pose[6], rotation)


@compiled
def yaw_rotation(cos, sin, rotation):
    """Writes a rotation about y."""
    rotation[0, 0], rotation[0, 1], rotation[0, 2] = cos, 0.0, sin
    rotation[1, 0], rotation[1, 1], rotation[1, 2] = 0.0, 1.0, 0.0
    rotation[2, 0], rotation[2, 1], rotation[2, 2] = -sin, 0.0, cos


@compiled
def quaternion_rotation(w, i, j, k, rotation):
    """Writes the rotation of a unit quaternion."""
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
    """Writes ``camera [R | t]`` of a pose, (3, 4), in the type of the points."""
    rotation_of(pose, rotation)
    multiply(camera, rotation, pose[0], pose[1], pose[2], matrix)


@compiled
def multiply(camera, rotation, x, y, z, matrix):
    """Writes ``camera [rotation | (x, y, z)]``, (3, 4)."""
    for row in range(3):
        for column in range(3):
            total = 0.0
            for inner in range(3):
                total += camera[row, inner] * rotation[inner, column]
            matrix[row, column] = total
        matrix[row, 3] = camera[row, 0] * x + camera[row, 1] * y + camera[row, 2] * z


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
def write_limits(limits, delta, z_min, lower, upper):
    """Fills the constants that `cost_of` takes, (10,)."""
    limits[0], limits[1] = delta, z_min
    limits[2], limits[3], limits[4], limits[5] = lower[0], lower[1], upper[0], upper[1]
    limits[6], limits[7], limits[8], limits[9] = 0.5, 1.0, FLOOR, 0.0


@compiled
def gradient_of(points, matrix, limits, scale, sums):
    """Adds ``scale`` times the gradients of `cost_of` by a block of points and the threshold.

    Args:
        points: ``x, y, z, u, v`` and the weights of ``u`` and ``v``, (7 `LANES`,): one array, in
            which everything is at constant distances, lets the compiler see that nothing overlaps.
        matrix: ``camera [R | t]``, (3, 4).
        limits: See `cost_of`.
        scale: Gradient by the cost.
        sums: Gradients in the order of the points, and by the threshold, (8 `LANES`,).
    """
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    e, f, g, h = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    p, q, r, s = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    delta, z_min, one = limits[0], limits[1], limits[7]
    u_low, v_low, u_high, v_high = limits[2], limits[3], limits[4], limits[5]
    floor, zero = limits[8], limits[9]
    for n in range(LANES):
        x, y, z = points[n], points[LANES + n], points[2 * LANES + n]
        behind = p * x + q * y + r * z + s
        depth = behind if behind > z_min else z_min
        inverse = one / depth
        u = (a * x + b * y + c * z + d) * inverse
        v = (e * x + f * y + g * z + h) * inverse
        u_in = u_low if u < u_low else u
        u_in = u_high if u_in > u_high else u_in
        v_in = v_low if v < v_low else v
        v_in = v_high if v_in > v_high else v_in
        over, under = u_in - points[3 * LANES + n], v_in - points[4 * LANES + n]
        wu, wv = points[5 * LANES + n], points[6 * LANES + n]
        across, down = over * wu, under * wv
        square = across * across + down * down
        square = floor if square < floor else square
        distance = math.sqrt(square)
        inner = delta if distance > delta else distance
        sums[7 * LANES + n] += scale * (distance - inner)
        pull = scale * inner / distance
        over_pull, under_pull = pull * over, pull * under
        sums[5 * LANES + n] += over_pull * over * wu
        sums[6 * LANES + n] += under_pull * under * wv
        over_pull, under_pull = over_pull * wu * wu, under_pull * wv * wv
        sums[3 * LANES + n] -= over_pull
        sums[4 * LANES + n] -= under_pull
        over_pull = over_pull * inverse if u_in == u else zero
        under_pull = under_pull * inverse if v_in == v else zero
        by_z = -(over_pull * u_in + under_pull * v_in)
        by_z = by_z if behind > z_min else zero
        sums[n] += a * over_pull + e * under_pull + p * by_z
        sums[LANES + n] += b * over_pull + f * under_pull + q * by_z
        sums[2 * LANES + n] += c * over_pull + g * under_pull + r * by_z

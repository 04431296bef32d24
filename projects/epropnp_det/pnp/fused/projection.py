"""Poses, projection and robust cost inside a kernel (docs/method.md 1.1 and 1.3).

Every value is a tensor of as many axes as the kernel's tile, of size one along those on which it
does not depend, so the same lines serve one pose of many points and many poses of many points.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..problem import SQUARE_FLOOR
from .algebra import at_least, select

FLOOR = tl.constexpr(SQUARE_FLOOR)


@triton.jit
def load_tuple(pointer, mask, size: tl.constexpr, stride=1):
    """Numbers that lie ``stride`` apart; zero where there are none."""
    values = ()
    for i in tl.static_range(size):
        values = values + (tl.load(pointer + i * stride, mask=mask, other=0.0),)
    return values


@triton.jit
def store_tuple(pointer, values, mask):
    """Writes numbers beside each other."""
    for i in tl.static_range(len(values)):
        tl.store(pointer + i, values[i], mask=mask)


@triton.jit
def load_points(x3d, x2d, w2d, object_index, point, num_points, mask):
    """``x, y, z, u, v`` and the weights of ``u`` and ``v``; padding has no weight."""
    first = object_index * num_points
    return (
        load_tuple(x3d + 3 * first + point, mask, 3, num_points)
        + load_tuple(x2d + 2 * first + point, mask, 2, num_points)
        + load_tuple(w2d + 2 * first + point, mask, 2, num_points)
    )


@triton.jit
def load_view(delta, camera, lower, upper, object_index, mask):
    """Skew ``k00, k01, k10, k11``, smallest u and v, largest u and v, and Huber threshold."""
    return (
        load_tuple(camera + 9 * object_index, mask, 2)
        + load_tuple(camera + 9 * object_index + 3, mask, 2)
        + load_tuple(lower + 2 * object_index, mask, 2)
        + load_tuple(upper + 2 * object_index, mask, 2)
        + load_tuple(delta + object_index, mask, 1)
    )


@triton.jit
def rotation_of(pose, YAW: tl.constexpr):
    """Rotation matrix, row by row."""
    if YAW:
        cos, sin = tl.cos(pose[3]), tl.sin(pose[3])
        zero = tl.zeros_like(cos)
        return (cos, zero, sin, zero, zero + 1.0, zero, -sin, zero, cos)
    else:
        w, i, j, k = pose[3], pose[4], pose[5], pose[6]
        return (
            1.0 - 2.0 * (j * j + k * k),
            2.0 * (i * j - k * w),
            2.0 * (i * k + j * w),
            2.0 * (i * j + k * w),
            1.0 - 2.0 * (i * i + k * k),
            2.0 * (j * k - i * w),
            2.0 * (i * k - j * w),
            2.0 * (j * k + i * w),
            1.0 - 2.0 * (i * i + j * j),
        )


@triton.jit
def turn(rotation, points):
    """The points in axes parallel to the camera's."""
    x, y, z = points[0], points[1], points[2]
    return (
        rotation[0] * x + rotation[1] * y + rotation[2] * z,
        rotation[3] * x + rotation[4] * y + rotation[5] * z,
        rotation[6] * x + rotation[7] * y + rotation[8] * z,
    )


@triton.jit
def clamp(value, low, high):
    """Between two tensors; NaN stays."""
    value = tl.where(value < low, low, value)
    return tl.where(value > high, high, value)


@triton.jit
def project(turned, pose, points, view, Z_MIN: tl.constexpr):
    """Image points and their errors.

    Returns:
        Depth and inverse clamped depth; image point before and after clamping (u, v, u, v); its
        difference to the point seen (u, v); weighted distance, and the same at most the threshold.
    """
    x, y = turned[0] + pose[0], turned[1] + pose[1]
    depth = turned[2] + pose[2]
    near = 1.0 / at_least(depth, Z_MIN)
    free_u = (view[0] * x + view[1] * y) * near
    free_v = (view[2] * x + view[3] * y) * near
    u = clamp(free_u, view[4], view[6])
    v = clamp(free_v, view[5], view[7])
    over, under = u - points[3], v - points[4]
    across, down = over * points[5], under * points[6]
    distance = tl.sqrt(at_least(across * across + down * down, FLOOR))
    inner = tl.where(distance > view[8], view[8], distance)
    return depth, near, (free_u, free_v, u, v), (over, under), distance, inner


@triton.jit
def cost_of(distance, inner):
    """Huber cost."""
    return inner * (distance - 0.5 * inner)


@triton.jit
def normalized(quaternion):
    """A unit quaternion; the identity where the norm is below 1e-6."""
    w, i, j, k = quaternion[0], quaternion[1], quaternion[2], quaternion[3]
    square = w * w + i * i + j * j + k * k
    zero = tl.zeros_like(square)
    one = zero + 1.0
    good = square > 1e-12
    norm = 1.0 / tl.sqrt(tl.where(good, square, one))
    return select(good, (w * norm, i * norm, j * norm, k * norm), (one, zero, zero, zero))


@triton.jit
def retract(pose, step, YAW: tl.constexpr):
    """A pose moved along a tangent vector (docs/method.md 1.2)."""
    position = (pose[0] + step[0], pose[1] + step[1], pose[2] + step[2])
    if YAW:
        return position + (pose[3] + step[3],)
    else:
        w, i, j, k = pose[3], pose[4], pose[5], pose[6]
        a, b, c = step[3], step[4], step[5]
        moved = (
            w + i * a + j * b + k * c,
            i - w * a - k * b + j * c,
            j + k * a - w * b - i * c,
            k - j * a + i * b - w * c,
        )
        return position + normalized(moved)

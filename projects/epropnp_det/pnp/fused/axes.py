"""The axes of a kernel's values: objects, poses and points.

On a GPU a program takes one object: what belongs to it is a scalar, what belongs to a pose has
shape (S, 1), to a point (1, N), or (N,) where there is but one pose. In the interpreter a program
takes `ROWS` objects, whose axis then comes first, so that numpy has something to chew on. All other
code is the same for both, because it is elementwise.
"""

from __future__ import annotations

import triton
import triton.language as tl

if tuple(int(part) for part in triton.__version__.split('.')[:2]) < (3, 6):
    # kernels pass tuples around, which older ones do not know, or were not tried with
    raise ImportError(f'triton {triton.__version__} is too old; the kernels need 3.6')


@triton.jit
def object_axis(ROWS: tl.constexpr, AXES: tl.constexpr):
    """Numbers of the program's objects: a scalar, or (R, 1) or (R, 1, 1)."""
    first = tl.program_id(0).to(tl.int64) * ROWS
    if ROWS == 1:
        return first
    elif AXES == 2:
        return (first + tl.arange(0, ROWS))[:, None]
    else:
        return (first + tl.arange(0, ROWS))[:, None, None]


@triton.jit
def pose_axis(ROWS: tl.constexpr, POSES: tl.constexpr):
    """Numbers from zero, (S, 1) or (1, S, 1)."""
    if ROWS == 1:
        return tl.arange(0, POSES)[:, None]
    else:
        return tl.arange(0, POSES)[None, :, None]


@triton.jit
def point_axis(ROWS: tl.constexpr, AXES: tl.constexpr, BLOCK: tl.constexpr):
    """Numbers from zero, as points are laid out beside `AXES` - 1 other axes."""
    if ROWS == 1:
        if AXES == 2:
            return tl.arange(0, BLOCK)
        else:
            return tl.arange(0, BLOCK)[None, :]
    elif AXES == 2:
        return tl.arange(0, BLOCK)[None, :]
    else:
        return tl.arange(0, BLOCK)[None, None, :]


@triton.jit
def over_points(value, ROWS: tl.constexpr, AXES: tl.constexpr):
    """Sum over points, which are the last axis."""
    if ROWS == 1:
        if AXES == 2:
            return tl.sum(value, axis=0)
        else:
            return tl.sum(value, axis=1, keep_dims=True)
    else:
        return tl.sum(value, axis=AXES - 1, keep_dims=True)


@triton.jit
def least_of_points(value, ROWS: tl.constexpr, AXES: tl.constexpr):
    """Minimum over points, as `over_points`."""
    if ROWS == 1:
        if AXES == 2:
            return tl.min(value, axis=0)
        else:
            return tl.min(value, axis=1, keep_dims=True)
    else:
        return tl.min(value, axis=AXES - 1, keep_dims=True)


@triton.jit
def over_poses(value, ROWS: tl.constexpr):
    """Sum over poses of what does not depend on points: a scalar, or (R, 1, 1)."""
    if ROWS == 1:
        return tl.sum(tl.sum(value, axis=1), axis=0)
    else:
        return tl.sum(value, axis=1, keep_dims=True)


@triton.jit
def most_of_poses(value, ROWS: tl.constexpr):
    """Maximum over poses, as `over_poses`."""
    if ROWS == 1:
        return tl.max(tl.max(value, axis=1), axis=0)
    else:
        return tl.max(value, axis=1, keep_dims=True)

"""Gauss-Newton systems of many problems at once, one in every lane (docs/method.md 1.1 and 1.3).

A problem is a subset of an object's points, or all of them. All numbers of a block of `LANES`
problems lie in one array, row by row, each lane in its own column. Every loop over lanes does the
same to all, so it runs in SIMD, and what a lane holds cannot depend on the others nor on which lane
it is. The array comes twice: flat, where rows are at constant distances, which lets the compiler
see that they do not overlap, and as (`ROWS`, `LANES`). Everything has the type of the points.
"""

from __future__ import annotations

import math

from ..problem import SQUARE_FLOOR
from .jit import compiled, inlined

LANES = 32
"""Problems at once: enough for SIMD, few enough for the fastest cache."""
FIELDS = 7
"""Numbers of a point: x, y, z, u, v and the weights of u and v."""

# Rows of the state. Matrices have seven columns: the system, and the gradient in the last.
POSE, TRIAL = 0, 7
ROTATION = 14
SKEW = 23
LOWER, UPPER = 27, 29
DELTA = 31
MOMENTS = 32
COST, NOW = 60, 61
RADIUS, FACTOR, ACCEPT, SPARE = 62, 63, 64, 65
STEP = 66
SYSTEM, THERE, DAMPED = 72, 114, 156
ROWS = 198

WIDTH, GRADIENT = 7, 6

# Rows of the moments, which are sums over the points of products of ``(1, h, slides)``.
ONE, IMAGE, IMAGE_IMAGE, FORCE, FORCE_IMAGE, ROBUST = 32, 34, 36, 37, 39, 40
SLIDE = (41, 46, 52)
"""Of every slide: with one (per axis), with the image, with the force, with slides up to itself."""

# Where those of them begin in the flat array that are read for every point.
X, Y, Z = TRIAL * LANES, (TRIAL + 1) * LANES, (TRIAL + 2) * LANES
K00, K01, K10, K11 = (row * LANES for row in range(SKEW, SKEW + 4))
R00, R01, R02, R10, R11, R12, R20, R21, R22 = (row * LANES for row in range(ROTATION, ROTATION + 9))
U_LOW, V_LOW, U_HIGH, V_HIGH = (row * LANES for row in range(LOWER, LOWER + 4))
THRESHOLD = DELTA * LANES
M_ONE, M_IMAGE, M_FORCE = ONE * LANES, IMAGE * LANES, FORCE * LANES
M_IMAGE_IMAGE, M_FORCE_IMAGE, M_ROBUST = (
    IMAGE_IMAGE * LANES,
    FORCE_IMAGE * LANES,
    ROBUST * LANES,
)
FIRST, SECOND, THIRD = (row * LANES for row in SLIDE)


@compiled
def load_point(block, lane, x3d, x2d, w2d, point):
    """Writes a point of one object to a lane of a block (7 `LANES`,)."""
    for axis in range(3):
        block[axis * LANES + lane] = x3d[axis, point]
    for axis in range(2):
        block[(3 + axis) * LANES + lane] = x2d[axis, point]
        block[(5 + axis) * LANES + lane] = w2d[axis, point]


@compiled
def turn_yaw(rows):
    """Upper left and upper right of the rotation matrices of the trial poses: cosine and sine."""
    for lane in range(LANES):
        yaw = rows[TRIAL + 3, lane]
        rows[ROTATION, lane], rows[ROTATION + 2, lane] = math.cos(yaw), math.sin(yaw)


@compiled
def turn_quaternion(flat):
    """Rotation matrices of the trial poses."""
    one = flat.dtype.type(1)
    two = one + one
    for lane in range(LANES):
        w, i = flat[(TRIAL + 3) * LANES + lane], flat[(TRIAL + 4) * LANES + lane]
        j, k = flat[(TRIAL + 5) * LANES + lane], flat[(TRIAL + 6) * LANES + lane]
        flat[R00 + lane] = one - two * (j * j + k * k)
        flat[R01 + lane] = two * (i * j - k * w)
        flat[R02 + lane] = two * (i * k + j * w)
        flat[R10 + lane] = two * (i * j + k * w)
        flat[R11 + lane] = one - two * (i * i + k * k)
        flat[R12 + lane] = two * (j * k - i * w)
        flat[R20 + lane] = two * (i * k - j * w)
        flat[R21 + lane] = two * (j * k + i * w)
        flat[R22 + lane] = one - two * (i * i + j * j)


@inlined
def project(block, lane, rx, ry, rz, keep, z_min, flat):
    """Projects a point and adds to the moments that have no slides.

    Args:
        block: The point of every lane, (7 `LANES`,).
        lane: Which problem.
        rx: The point, turned.
        ry: Likewise.
        rz: Likewise.
        keep: One, or zero where points that are clamped get no Jacobian.
        z_min: Smallest depth.
        flat: State of the problems.

    Returns:
        The image point; weights in the system and forces along both axes.
    """
    kind = flat.dtype.type
    half, one, floor = kind(0.5), kind(1), kind(SQUARE_FLOOR)
    px, py, behind = rx + flat[X + lane], ry + flat[Y + lane], rz + flat[Z + lane]
    inverse = one / (behind if behind > z_min else z_min)
    free_u = (flat[K00 + lane] * px + flat[K01 + lane] * py) * inverse
    free_v = (flat[K10 + lane] * px + flat[K11 + lane] * py) * inverse
    low, high = flat[U_LOW + lane], flat[U_HIGH + lane]
    u = low if free_u < low else free_u
    u = high if u > high else u
    low, high = flat[V_LOW + lane], flat[V_HIGH + lane]
    v = low if free_v < low else free_v
    v = high if v > high else v
    over, under = u - block[3 * LANES + lane], v - block[4 * LANES + lane]
    weight_u, weight_v = block[5 * LANES + lane], block[6 * LANES + lane]
    across, down = over * weight_u, under * weight_v
    square = across * across + down * down
    distance = math.sqrt(floor if square < floor else square)
    delta = flat[THRESHOLD + lane]
    inner = delta if distance > delta else distance
    flat[M_ROBUST + lane] += inner * (distance - half * inner)
    pull = inner / distance * inverse * (one if behind > z_min else keep)
    pull_u = pull * weight_u * weight_u * (one if u == free_u else keep)
    pull_v = pull * weight_v * weight_v * (one if v == free_v else keep)
    force_u, force_v = pull_u * over, pull_v * under
    pull_u, pull_v = pull_u * inverse, pull_v * inverse
    flat[M_ONE + lane] += pull_u
    flat[M_ONE + LANES + lane] += pull_v
    flat[M_IMAGE + lane] += pull_u * u
    flat[M_IMAGE + LANES + lane] += pull_v * v
    flat[M_IMAGE_IMAGE + lane] += pull_u * u * u + pull_v * v * v
    flat[M_FORCE + lane] += force_u
    flat[M_FORCE + LANES + lane] += force_v
    flat[M_FORCE_IMAGE + lane] += force_u * u + force_v * v
    return u, v, pull_u, pull_v, force_u, force_v


@inlined
def add_slide(flat, first, slide_u, slide_v, u, v, pull_u, pull_v, force_u, force_v):
    """Adds to the moments of one slide, but for those with other slides.

    Returns:
        The slide times the weights in the system.
    """
    along_u, along_v = pull_u * slide_u, pull_v * slide_v
    flat[first] += along_u
    flat[first + LANES] += along_v
    flat[first + 2 * LANES] += along_u * u + along_v * v
    flat[first + 3 * LANES] += force_u * slide_u + force_v * slide_v
    return along_u, along_v


@compiled
def add_yaw(block, keep, z_min, flat):
    """Adds a point to the moments: turned about y, it slides along ``(z, 0, -x)``."""
    for lane in range(LANES):
        x, y, z = block[lane], block[LANES + lane], block[2 * LANES + lane]
        cos, sin = flat[R00 + lane], flat[R02 + lane]
        rx, rz = cos * x + sin * z, cos * z - sin * x
        seen = project(block, lane, rx, y, rz, keep, z_min, flat)
        u, v, pull_u, pull_v, force_u, force_v = seen
        a = flat[K00 + lane] * rz + u * rx
        b = flat[K10 + lane] * rz + v * rx
        along_u, along_v = add_slide(flat, FIRST + lane, a, b, *seen)
        flat[FIRST + 4 * LANES + lane] += along_u * a + along_v * b


@compiled
def add_quaternion(block, keep, z_min, flat):
    """Adds a point to the moments: turned by a vector ``d``, it slides along ``2 (R x) x d``."""
    for lane in range(LANES):
        x, y, z = block[lane], block[LANES + lane], block[2 * LANES + lane]
        rx = flat[R00 + lane] * x + flat[R01 + lane] * y + flat[R02 + lane] * z
        ry = flat[R10 + lane] * x + flat[R11 + lane] * y + flat[R12 + lane] * z
        rz = flat[R20 + lane] * x + flat[R21 + lane] * y + flat[R22 + lane] * z
        seen = project(block, lane, rx, ry, rz, keep, z_min, flat)
        u, v, pull_u, pull_v, force_u, force_v = seen
        rx, ry, rz = rx + rx, ry + ry, rz + rz
        k00, k01, k10, k11 = (
            flat[K00 + lane],
            flat[K01 + lane],
            flat[K10 + lane],
            flat[K11 + lane],
        )
        a, b = k01 * rz + u * ry, k11 * rz + v * ry
        c, d = -k00 * rz - u * rx, -k10 * rz - v * rx
        e, f = k00 * ry - k01 * rx, k10 * ry - k11 * rx
        along_u, along_v = add_slide(flat, FIRST + lane, a, b, *seen)
        flat[FIRST + 4 * LANES + lane] += along_u * a + along_v * b
        along_u, along_v = add_slide(flat, SECOND + lane, c, d, *seen)
        flat[SECOND + 4 * LANES + lane] += along_u * a + along_v * b
        flat[SECOND + 5 * LANES + lane] += along_u * c + along_v * d
        along_u, along_v = add_slide(flat, THIRD + lane, e, f, *seen)
        flat[THIRD + 4 * LANES + lane] += along_u * a + along_v * b
        flat[THIRD + 5 * LANES + lane] += along_u * c + along_v * d
        flat[THIRD + 6 * LANES + lane] += along_u * e + along_v * f


@compiled
def linearize(turn, points, keep, z_min, state):
    """Cost (`NOW`) and system (`THERE`) of the trial poses; the lower triangle and the gradient.

    The Jacobian of a point along one image axis is ``w / z`` times ``(k, -h, slides)``: by the
    lateral position, where ``k`` is a row of the skew, by depth, where ``h`` is the image
    coordinate, and by the turn. The system thus consists of moments of ``(1, h, slides)``.

    Args:
        turn: None for yaw, anything else for quaternions.
        points: (N, 7 `LANES`).
        keep: Zero where points that are clamped get no Jacobian, else one.
        z_min: Smallest depth.
        state: Of the problems, flat and by rows.
    """
    flat, rows = state
    zero = flat.dtype.type(0)
    for row in range(MOMENTS, COST):
        for lane in range(LANES):
            rows[row, lane] = zero
    if turn is None:
        turn_yaw(rows)
        for n in range(len(points)):
            add_yaw(points[n], keep, z_min, flat)
        slides = 1
    else:
        turn_quaternion(flat)
        for n in range(len(points)):
            add_quaternion(points[n], keep, z_min, flat)
        slides = 3
    copy(rows[ROBUST], rows[NOW])
    image = THERE + WIDTH * 2
    for column in range(2):
        one, other = rows[SKEW + column], rows[SKEW + 2 + column]
        mix(one, other, rows[FORCE], rows[FORCE + 1], rows[THERE + WIDTH * column + GRADIENT])
        mix(one, other, rows[IMAGE], rows[IMAGE + 1], rows[image + column])
        negate(rows[image + column])
        for slide in range(slides):
            first = SLIDE[slide]
            mix(
                one, other, rows[first], rows[first + 1], rows[THERE + WIDTH * (3 + slide) + column]
            )
    for lane in range(LANES):
        a, b, c, d = flat[K00 + lane], flat[K01 + lane], flat[K10 + lane], flat[K11 + lane]
        across, down = flat[M_ONE + lane], flat[M_ONE + LANES + lane]
        flat[THERE * LANES + lane] = a * a * across + c * c * down
        flat[(THERE + WIDTH) * LANES + lane] = a * b * across + c * d * down
        flat[(THERE + WIDTH + 1) * LANES + lane] = b * b * across + d * d * down
    copy(rows[IMAGE_IMAGE], rows[image + 2])
    copy(rows[FORCE_IMAGE], rows[image + GRADIENT])
    negate(rows[image + GRADIENT])
    for slide in range(slides):
        first, row = SLIDE[slide], THERE + WIDTH * (3 + slide)
        copy(rows[first + 2], rows[row + 2])
        negate(rows[row + 2])
        copy(rows[first + 3], rows[row + GRADIENT])
        for index in range(slide + 1):
            copy(rows[first + 4 + index], rows[row + 3 + index])


@compiled
def solve_damped(rows, dof):
    """Step by ``LDL^T`` of `DAMPED`, whose gradient is the negative right-hand side."""
    one = rows.dtype.type(1)
    for k in range(dof):
        top = DAMPED + WIDTH * k
        pivot = rows[top + k]
        for lane in range(LANES):
            pivot[lane] = one / pivot[lane]
        for i in range(k + 1, dof):
            row = DAMPED + WIDTH * i
            factor, entry = rows[SPARE], rows[row + k]
            for lane in range(LANES):
                factor[lane] = entry[lane] * pivot[lane]
            subtract(factor, rows[top + GRADIENT], rows[row + GRADIENT])
            for j in range(k + 1, i + 1):
                subtract(factor, rows[DAMPED + WIDTH * j + k], rows[row + j])
    for k in range(dof - 1, -1, -1):
        top = DAMPED + WIDTH * k
        step, pivot = rows[STEP + k], rows[top + k]
        copy(rows[top + GRADIENT], step)
        negate(step)
        for i in range(k + 1, dof):
            subtract(rows[DAMPED + WIDTH * i + k], rows[STEP + i], step)
        for lane in range(LANES):
            step[lane] = step[lane] * pivot[lane]


@compiled
def retract(turn, state, pose):
    """Trial poses: those from row ``pose`` on, moved by the step (docs/method.md 1.2)."""
    flat, rows = state
    for axis in range(3 if turn is not None else 4):
        add(rows[pose + axis], rows[STEP + axis], rows[TRIAL + axis])
    if turn is not None:
        _move_quaternion(rows[pose + 3], rows[pose + 4], rows[pose + 5], rows[pose + 6], flat)


@compiled
def _move_quaternion(real, first, second, third, flat):
    kind = flat.dtype.type
    zero, one, tiny = kind(0), kind(1), kind(1e-12)
    for lane in range(LANES):
        w, i, j, k = real[lane], first[lane], second[lane], third[lane]
        a = flat[(STEP + 3) * LANES + lane]
        b = flat[(STEP + 4) * LANES + lane]
        c = flat[(STEP + 5) * LANES + lane]
        new_w = w + i * a + j * b + k * c
        new_i = i - w * a - k * b + j * c
        new_j = j + k * a - w * b - i * c
        new_k = k - j * a + i * b - w * c
        square = new_w * new_w + new_i * new_i + new_j * new_j + new_k * new_k
        good = square > tiny
        norm = one / math.sqrt(square if good else one)
        flat[(TRIAL + 3) * LANES + lane] = new_w * norm if good else one
        flat[(TRIAL + 4) * LANES + lane] = new_i * norm if good else zero
        flat[(TRIAL + 5) * LANES + lane] = new_j * norm if good else zero
        flat[(TRIAL + 6) * LANES + lane] = new_k * norm if good else zero


@compiled
def copy(source, target):
    """``target = source`` of one row."""
    for lane in range(LANES):
        target[lane] = source[lane]


@compiled
def negate(target):
    """``target = -target``."""
    for lane in range(LANES):
        target[lane] = -target[lane]


@compiled
def add(one, other, target):
    """``target = one + other``."""
    for lane in range(LANES):
        target[lane] = one[lane] + other[lane]


@compiled
def subtract(one, other, target):
    """``target -= one * other``."""
    for lane in range(LANES):
        target[lane] -= one[lane] * other[lane]


@compiled
def mix(one, other, first, second, target):
    """``target = one * first + other * second``."""
    for lane in range(LANES):
        target[lane] = one[lane] * first[lane] + other[lane] * second[lane]

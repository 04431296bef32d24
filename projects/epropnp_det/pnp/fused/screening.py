"""Which objects can be solved at all."""

from __future__ import annotations

import triton
import triton.language as tl

from .axes import least_of_points, object_axis, over_points, point_axis
from .projection import load_tuple


@triton.jit
def all_finite(values, there):
    """Whether all of a tuple are, where there is anything."""
    finite = there
    for i in tl.static_range(len(values)):
        finite = finite & (tl.abs(values[i]) < float('inf'))
    return finite


@triton.jit(do_not_specialize=['num_objects', 'num_points'])
def usable_kernel(
    points, cam2img, bounds, pose_init, there_is, found, num_objects, num_points,
    DOF: tl.constexpr, DIM: tl.constexpr, MASKED: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Flags (B,): some objects a program, their points block by block."""
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    camera = load_tuple(cam2img + 9 * object_index, there, 9)
    bound = load_tuple(bounds + 4 * object_index, there, 4)
    inf = tl.zeros_like(camera[0]) + float('inf')
    least, most = (inf, inf), (-inf, -inf)  # pixels
    positive = tl.zeros_like(object_index).to(tl.int32)
    refused = positive
    for first in range(0, num_points, BLOCK):
        point = first + point_axis(ROWS, 2, BLOCK)
        mask = there & (point < num_points)
        row = points + 7 * object_index * num_points + point
        values = load_tuple(row, mask, 7, num_points)
        fine = all_finite(values, mask) & (values[5] >= 0.0) & (values[6] >= 0.0)
        refused += over_points(mask.to(tl.int32) - fine.to(tl.int32), ROWS, 2)
        weighs = (values[5] > 0.0).to(tl.int32) + (values[6] > 0.0).to(tl.int32)
        positive += over_points(weighs, ROWS, 2)
        if MASKED:
            mask = mask & (tl.load(there_is + object_index * num_points + point, mask) != 0)
        lower, upper = (), ()
        for i in tl.static_range(2):
            low = least_of_points(tl.where(mask, values[3 + i], float('inf')), ROWS, 2)
            high = -least_of_points(tl.where(mask, -values[3 + i], float('inf')), ROWS, 2)
            lower = lower + (tl.where(low < least[i], low, least[i]),)
            upper = upper + (tl.where(high > most[i], high, most[i]),)
        least, most = lower, upper
    spread = (least[0] < most[0]) | (least[1] < most[1])
    sees = camera[0] * camera[4] != camera[1] * camera[3]
    ordered = (bound[0] < bound[2]) & (bound[1] < bound[3])
    good = spread & sees & ordered & (refused == 0) & (positive >= DOF)
    good = good & all_finite(camera, there)
    if DIM > 0:
        good = good & all_finite(load_tuple(pose_init + DIM * object_index, there, DIM), there)
    tl.store(found + object_index, good.to(tl.uint8), mask=there)


@triton.jit
def refused_of(values, object_index, stride, size, there, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """How many of an object's numbers are not finite."""
    refused = tl.zeros_like(object_index).to(tl.int32)
    for first in range(0, size, BLOCK):
        number = first + point_axis(ROWS, 2, BLOCK)
        mask = there & (number < size)
        value = tl.load(values + object_index * stride + number, mask=mask, other=0.0)
        bad = (tl.abs(value) < float('inf')) == 0
        refused += over_points(bad.to(tl.int32), ROWS, 2)
    return refused


@triton.jit(
    do_not_specialize=[
        'num_objects', 'stride_a', 'stride_b', 'stride_c', 'stride_d',
        'size_a', 'size_b', 'size_c', 'size_d',
    ]
)  # fmt: skip
def sound_kernel(
    valid, a, b, c, d, found, num_objects,
    stride_a, stride_b, stride_c, stride_d, size_a, size_b, size_c, size_d,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Flags (B,): some objects a program, whose rows of four tensors it reads."""
    object_index = object_axis(ROWS, 2)
    there = object_index < num_objects
    refused = refused_of(a, object_index, stride_a, size_a, there, ROWS, BLOCK)
    refused += refused_of(b, object_index, stride_b, size_b, there, ROWS, BLOCK)
    refused += refused_of(c, object_index, stride_c, size_c, there, ROWS, BLOCK)
    refused += refused_of(d, object_index, stride_d, size_d, there, ROWS, BLOCK)
    good = (tl.load(valid + object_index, mask=there, other=0) != 0) & (refused == 0)
    tl.store(found + object_index, good.to(tl.uint8), mask=there)

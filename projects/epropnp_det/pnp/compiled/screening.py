"""Which objects can be solved at all, and which results are finite."""

from __future__ import annotations

import math

from .jit import compiled


@compiled
def refused_of(row):
    """How many numbers of a row are not finite."""
    kind = row.dtype.type
    zero, one, inf = kind(0), kind(1), kind(math.inf)
    count = zero  # of the type of the row, or the loop would not run in SIMD
    for n in range(len(row)):
        count += zero if abs(row[n]) < inf else one
    return count


@compiled
def spread_of(row, mask, first):
    """How many points differ from the point ``first`` in one coordinate."""
    count = 0
    if len(mask) == 0:
        for n in range(len(row)):
            count += row[n] != row[first]
    else:
        for n in range(len(row)):
            count += mask[n] and row[n] != row[first]
    return count


@compiled
def usable_range(start, stop, points, cam2img, bounds, pose_init, mask, dof, found):
    """Flags (B,) of some objects; see `reference.screening.usable`.

    Args:
        start: First object.
        stop: The one after the last.
        points: (B, 7, N).
        cam2img: (B, 3, 3).
        bounds: (B, 4).
        pose_init: (B, dim), or (B, 0) where there is none.
        mask: (B, N), or (B, 0) for all points.
        dof: Degrees of freedom.
        found: Written, (B,).
    """
    zero = points.dtype.type(0)
    for index in range(start, stop):
        camera, bound, place = cam2img[index], bounds[index], points[index]
        refused = refused_of(pose_init[index])
        for row in range(3):
            refused += refused_of(camera[row])
        for row in range(7):
            refused += refused_of(place[row])
        first, positive, negative = 0, 0, 0
        while first + 1 < mask.shape[1] and not mask[index, first]:
            first += 1
        for row in range(5, 7):
            for n in range(points.shape[2]):
                positive += place[row, n] > zero
                negative += place[row, n] < zero
        good = refused == 0 and positive >= dof and negative == 0
        good = good and spread_of(place[3], mask[index], first) + spread_of(
            place[4], mask[index], first
        )
        good = good and camera[0, 0] * camera[1, 1] != camera[0, 1] * camera[1, 0]
        found[index] = good and bound[0] < bound[2] and bound[1] < bound[3]


@compiled
def sound_range(start, stop, rows, found):
    """Takes the flags (B,) of some objects back whose numbers (B, K) are not all finite."""
    for index in range(start, stop):
        found[index] = found[index] and refused_of(rows[index]) == 0

"""Colours: the same class always has the same colour, in every view and every run."""

from __future__ import annotations

import colorsys

# BGR, in the order of the nuScenes classes. Chosen by search: each pair, and each with the ground
# truth's green, stays apart (CIELAB distance >= 24) also for people who see no red, green or blue.
_CLASS_COLORS = (
    (255, 119, 34),  # car
    (255, 17, 102),  # truck
    (221, 136, 153),  # trailer
    (255, 221, 153),  # bus
    (0, 85, 119),  # construction vehicle
    (170, 119, 238),  # bicycle
    (136, 0, 170),  # motorcycle
    (85, 17, 204),  # pedestrian
    (51, 221, 255),  # traffic cone
    (136, 221, 187),  # barrier
)

_HEAD_COLORS = (
    (0, 159, 230),  # orange
    (233, 180, 86),  # sky blue
    (115, 158, 0),  # green
    (66, 228, 240),  # yellow
    (178, 114, 0),  # blue
    (0, 94, 213),  # vermilion
    (167, 121, 204),  # purple
    (240, 240, 240),  # white
)
"""BGR of Okabe and Ito's palette for every kind of sight; white for its black."""

GROUND_TRUTH_COLOR = (20, 180, 20)
"""BGR of ground truth in every view (docs/method.md 7.3)."""

HEADINGLESS_CLASSES = ('traffic_cone', 'barrier')
"""nuScenes classes whose heading has no meaning; no arrow is drawn for them.

Source: docs/method.md 4.6.
"""


def class_color(label: int) -> tuple[int, int, int]:
    """BGR colour of a class: a fixed table for the first ten, golden-ratio hues beyond."""
    if 0 <= label < len(_CLASS_COLORS):
        return _CLASS_COLORS[label]
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618033988749895 % 1.0, 0.75, 0.9)
    return round(255 * blue), round(255 * green), round(255 * red)


def head_color(head: int) -> tuple[int, int, int]:
    """BGR colour of an attention head."""
    return _HEAD_COLORS[head] if 0 <= head < len(_HEAD_COLORS) else class_color(10 + head)

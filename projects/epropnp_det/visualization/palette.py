"""Colours: the same class always has the same colour, in every view and every run."""

from __future__ import annotations

import colorsys

# BGR. Cars blue, other vehicles cold, people and riders warm, street furniture yellow, green.
_CLASS_COLORS = (
    (245, 145, 30),
    (215, 75, 120),
    (170, 90, 200),
    (225, 205, 40),
    (130, 60, 80),
    (120, 110, 255),
    (60, 60, 220),
    (40, 60, 250),
    (20, 165, 255),
    (90, 215, 235),
)

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

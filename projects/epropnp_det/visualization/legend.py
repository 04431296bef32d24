"""Which colour means what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from .canvas import (
    Color,
    canvas_for,
    check_canvas,
    draw_polygon,
    draw_text,
    fill_polygon,
    text_plate,
    text_scale,
)
from .palette import GROUND_TRUTH_COLOR, class_color

_PLATE_COLOR = (30, 30, 30)
_TEXT_COLOR = (240, 240, 240)


def draw_legend(
    picture: np.ndarray,
    class_names: Sequence[str],
    labels: Iterable[int] | None = None,
    ground_truth: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Writes the classes in their colours into the upper left corner, as many as fit.

    Args:
        picture: BGR uint8, (H, W, 3).
        class_names: Names of the classes.
        labels: Only these classes; by default all.
        ground_truth: Whether to explain the green of ground truth.
        out: Canvas to draw into, of the picture's size; by default a copy of the picture.

    Returns:
        The canvas.
    """
    canvas = canvas_for(picture, out)
    shown = range(len(class_names)) if labels is None else sorted({int(label) for label in labels})
    rows = [
        (class_names[i].replace('_', ' '), class_color(i))
        for i in shown
        if 0 <= i < len(class_names)
    ]
    if ground_truth:
        rows.append(('ground truth', GROUND_TRUTH_COLOR))
    return draw_key(rows, canvas)


def draw_key(rows: Sequence[tuple[str, Color]], out: np.ndarray) -> np.ndarray:
    """Writes names beside their colours into the upper left corner, as many as fit.

    Args:
        rows: Names and BGR colours.
        out: Canvas to draw into, BGR uint8 (H, W, 3).

    Returns:
        The canvas.
    """
    check_canvas(out)
    scale = text_scale(out)
    height = round(40 * scale)
    rows = rows[: max(0, (out.shape[0] - 8) // height)]
    if not rows:
        return out
    weight, side = max(1, round(1.6 * scale)), round(0.7 * height)
    font = cv2.FONT_HERSHEY_SIMPLEX
    widths = [cv2.getTextSize(name, font, scale, weight)[0][0] for name, _ in rows]
    plate = _rectangle(2, 2, 6 + side + 8 + max(widths) + 6, 8 + height * len(rows))
    fill_polygon(out, plate, _PLATE_COLOR, 0.65)
    for row, (name, color) in enumerate(rows):
        top = 6 + height * row
        swatch = _rectangle(6, top, 6 + side, top + side)
        fill_polygon(out, swatch, color, 1.0)
        draw_polygon(out, swatch, _TEXT_COLOR, 1)
        place = (6 + side + 7, top + side - round(0.1 * side))
        cv2.putText(out, name, place, font, scale, _TEXT_COLOR, weight, cv2.LINE_AA)
    return out


def legend_strip(
    width: int, height: int, class_names: Sequence[str], ground_truth: bool = False
) -> np.ndarray:
    """A new strip with all classes in their colours, to stand below a picture.

    Args:
        width: Pixels.
        height: Pixels; less where the names would not fit into the width.
        class_names: Names of the classes.
        ground_truth: Whether to explain the green of ground truth.

    Returns:
        BGR uint8, (at most height, width, 3).
    """
    rows = [(name.replace('_', ' '), class_color(i)) for i, name in enumerate(class_names)]
    if ground_truth:
        rows.append(('ground truth', GROUND_TRUTH_COLOR))
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, height / 40
    lengths = [cv2.getTextSize(name, font, scale, 1)[0][0] + 1.6 * height for name, _ in rows]
    shrink = min(1.0, width / max(sum(lengths), 1.0))
    height, scale = max(8, int(shrink * height)), shrink * scale
    strip = np.full((height, width, 3), _PLATE_COLOR[0], dtype=np.uint8)
    left, side = 0.25 * height, 0.6 * height
    for (name, color), length in zip(rows, lengths):
        swatch = _rectangle(left, 0.2 * height, left + side, 0.2 * height + side)
        fill_polygon(strip, swatch, color, 1.0)
        place = (round(left + 1.2 * side), round(0.72 * height))
        cv2.putText(strip, name, place, font, scale, _TEXT_COLOR, 1, cv2.LINE_AA)
        left += shrink * length
    return strip


def draw_color_bar(color_map: int, texts: tuple[str, str, str], out: np.ndarray) -> np.ndarray:
    """Draws a scale of colours into the lower left corner, where the canvas has room for it.

    Args:
        color_map: Of OpenCV.
        texts: What stands above its left end, its middle and its right end.
        out: Canvas to draw into, BGR uint8 (H, W, 3).

    Returns:
        The canvas.
    """
    check_canvas(out)
    height, width = out.shape[:2]
    scale = text_scale(out)
    bar_width, bar_height = min(round(450 * scale), width // 2), round(26 * scale)
    if bar_width < 60 or height < 60:
        return out
    ramp = np.linspace(0, 255, bar_width).round().astype(np.uint8)
    bar = cv2.applyColorMap(np.repeat(ramp[None], bar_height, axis=0), color_map)
    top = height - bar_height - 8
    out[top : top + bar_height, 8 : 8 + bar_width] = bar
    for text, share in zip(texts, (0.0, 0.5, 1.0)):
        x1, _, x2, _ = text_plate(out, text, (0, 0), scale)
        left = 8 + share * (bar_width - (x2 - x1))
        draw_text(out, text, text_plate(out, text, (left, top - 2), scale), _TEXT_COLOR, scale)
    return out


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    """A new picture with a strip above that says what it shows.

    Args:
        picture: BGR uint8, (H, W, 3).
        title: One line.
    """
    scale = 1.2 * text_scale(picture)
    strip = np.full((round(50 * scale), picture.shape[1], 3), _PLATE_COLOR[0], dtype=np.uint8)
    plate = text_plate(strip, title, (6, round(42 * scale)), scale)
    draw_text(strip, title, plate, _TEXT_COLOR, scale, _PLATE_COLOR)
    return np.concatenate([strip, picture], axis=0)


def _rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=np.float64)

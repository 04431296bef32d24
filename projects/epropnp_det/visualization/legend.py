"""Which colour is which class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from .canvas import canvas_for, fill_polygon
from .palette import GROUND_TRUTH_COLOR, class_color

_ROW = 16
_SCALE = 0.4


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
    rows = [(class_names[i], class_color(i)) for i in shown if 0 <= i < len(class_names)]
    if ground_truth:
        rows.append(('ground truth', GROUND_TRUTH_COLOR))
    rows = rows[: max(0, (canvas.shape[0] - 8) // _ROW)]
    if not rows:
        return canvas
    font = cv2.FONT_HERSHEY_SIMPLEX
    widths = [cv2.getTextSize(name, font, _SCALE, 1)[0][0] for name, _ in rows]
    right, bottom = max(widths) + 30, 8 + _ROW * len(rows)
    fill_polygon(canvas, _rectangle(2, 2, right, bottom), (30, 30, 30), 0.65)
    for row, (name, color) in enumerate(rows):
        top = 6 + _ROW * row
        fill_polygon(canvas, _rectangle(6, top, 18, top + 12), color, 1.0)
        cv2.putText(canvas, name, (23, top + 10), font, _SCALE, (240, 240, 240), 1, cv2.LINE_AA)
    return canvas


def _rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=np.float64)

"""The deformable 2D points of each object, coloured by what one asks (docs/method.md 7.3)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .canvas import Color, canvas_for
from .palette import class_color, head_color

COLOR_BY = ('object', 'head', 'weight', 'axis')
X_COLOR, Y_COLOR, BOTH_COLOR = (255, 119, 34), (51, 221, 255), (160, 160, 160)
"""BGR of points that pin x alone, y alone, both alike."""


def draw_points(
    image: np.ndarray,
    x2d: np.ndarray,
    w2d: np.ndarray,
    labels: Sequence[int] | None = None,
    depths: Sequence[float] | None = None,
    color_by: str = 'object',
    num_heads: int = 8,
    radius: float | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Draws correspondences: the heavier a point, the more opaque and the larger it is.

    Args:
        image: BGR uint8, (H, W, 3).
        x2d: Points in pixels of the image, (n, N, 2).
        w2d: Their weights per axis, (n, N, 2).
        labels: Class indices for ``color_by='object'``, (n,); without them each object has a colour
            of its own.
        depths: Distance of each object, (n,): near ones are drawn last, on top.
        color_by: ``'object'``; ``'head'``, the attention head a point belongs to; ``'weight'``, its
            share of the object's weight (dark to bright); ``'axis'``, which axis it pins: x blue,
            y yellow, both grey.
        num_heads: Heads of the sampler; points are stored head by head.
        radius: Radius in pixels of a point of mean weight; by default it follows the image size.
        out: Canvas to draw into, of the image's size; by default a copy of the image.

    Returns:
        The canvas.

    Raises:
        ValueError: If shapes do not match or ``color_by`` is unknown.
    """
    canvas = canvas_for(image, out)
    x2d = np.asarray(x2d, dtype=np.float64)
    w2d = np.asarray(w2d, dtype=np.float64)
    if w2d.shape != x2d.shape:
        raise ValueError(f'points {x2d.shape} and weights {w2d.shape} must have one shape')
    if color_by not in COLOR_BY:
        raise ValueError(f'color_by must be one of {COLOR_BY}, got {color_by!r}')
    if x2d.size == 0:
        return canvas
    count = len(x2d)
    weight = np.nan_to_num(w2d.mean(axis=2))  # (n, N)
    share = weight / np.maximum(weight.mean(axis=1, keepdims=True), 1e-12)
    radius = max(1.5, canvas.shape[0] / 220) if radius is None else radius
    order = np.arange(count) if depths is None else np.argsort(-np.asarray(depths), kind='stable')
    for i in order:
        colors = _colors(color_by, int(i), share[i], w2d[i], labels, num_heads)
        for k in np.argsort(share[i], kind='stable'):
            opacity = 1 - np.exp(-1.5 * share[i, k])
            size = radius * float(np.clip(np.sqrt(share[i, k]), 0.5, 2.5))
            _disc(canvas, x2d[i, k], size, colors[k], float(opacity))
    return canvas


def points_key(color_by: str, num_heads: int = 8) -> list[tuple[str, Color]]:
    """What the colours mean, for ``draw_key``.

    Args:
        color_by: ``'head'`` or ``'axis'``; the other ones need the legend of the classes, or a
            colour bar from dark to bright.
        num_heads: Heads of the sampler.
    """
    if color_by == 'head':
        return [(f'head {k + 1}', head_color(k)) for k in range(num_heads)]
    if color_by == 'axis':
        return [('pins x', X_COLOR), ('pins y', Y_COLOR), ('both alike', BOTH_COLOR)]
    return []


def _colors(
    color_by: str,
    index: int,
    share: np.ndarray,
    w2d: np.ndarray,
    labels: Sequence[int] | None,
    num_heads: int,
) -> np.ndarray:
    """BGR of the points of one object, (N, 3)."""
    num_points = len(share)
    if color_by == 'object':
        paint = class_color(index + 10 if labels is None else int(labels[index]))
        return np.tile(paint, (num_points, 1))
    if color_by == 'head':
        per_head = max(1, num_points // max(num_heads, 1))
        return np.array([head_color(k // per_head) for k in range(num_points)])
    if color_by == 'weight':
        level = np.round(255 * np.clip(share / max(share.max(), 1e-12), 0, 1)).astype(np.uint8)
        return cv2.applyColorMap(level[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]
    total = np.maximum(w2d.sum(axis=1), 1e-12)
    ratio = (w2d[:, 0] / total)[:, None]  # 1: x alone, 0: y alone
    x_color, y_color, both = np.array(X_COLOR), np.array(Y_COLOR), np.array(BOTH_COLOR)
    return np.where(
        ratio > 0.5,
        both + (2 * ratio - 1) * (x_color - both),
        both + (1 - 2 * ratio) * (y_color - both),
    )


def _disc(
    canvas: np.ndarray, center: np.ndarray, radius: float, color: np.ndarray, opacity: float
) -> None:
    """Blends one anti-aliased disc; only the square around it is touched."""
    if not np.isfinite(center).all():
        return
    height, width = canvas.shape[:2]
    low = np.maximum(np.floor(center - radius - 1), 0).astype(int)
    high = np.minimum(np.ceil(center + radius + 1), (width, height)).astype(int)
    if (high <= low).any():
        return
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
    distance = np.hypot(columns - center[0], rows - center[1])
    alpha = opacity * np.clip(radius + 0.5 - distance, 0, 1)[..., None]
    region = canvas[low[1] : high[1], low[0] : high[0]]
    region[:] = np.round((1 - alpha) * region + alpha * color).astype(np.uint8)

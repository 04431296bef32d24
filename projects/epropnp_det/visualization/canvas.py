"""Sub-pixel drawing with OpenCV. The functions here draw into the array that they are given."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .geometry import clip_to_canvas

Color = Sequence[int]

CASING_COLOR = (25, 25, 25)
_SHIFT = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def _fixed_point(points: np.ndarray) -> np.ndarray:
    """Edge-based pixels -> OpenCV's fixed point, where the first pixel centre is 0."""
    return np.round((np.asarray(points) - 0.5) * (1 << _SHIFT)).astype(np.int32)


def as_canvas(image: np.ndarray) -> np.ndarray:
    """A contiguous copy to draw on.

    Args:
        image: BGR uint8, (H, W, 3).

    Raises:
        ValueError: If the image is anything else.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f'expected a BGR uint8 image (H, W, 3), got {image.dtype} {image.shape}')
    return np.array(image, order='C')


def canvas_for(image: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """What a view draws into: ``out`` itself where it is given, else a copy of ``image``.

    Args:
        image: BGR uint8, (H, W, 3).
        out: Canvas of the same size, or None.

    Raises:
        ValueError: If either is no picture, ``out`` has another size or cannot be written to.
    """
    if out is None:
        return as_canvas(image)
    check_canvas(out)
    if out.shape != np.shape(image):
        raise ValueError(f'out has shape {out.shape}, the picture {np.shape(image)}')
    return out


def check_canvas(out: np.ndarray) -> None:
    """Raises ValueError unless ``out`` is a contiguous, writable BGR uint8 picture."""
    if not isinstance(out, np.ndarray) or out.ndim != 3 or out.shape[2] != 3:
        raise ValueError('out must be a BGR picture, an array of shape (H, W, 3)')
    if out.dtype != np.uint8 or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError('out must be a writable, contiguous uint8 array')


def text_scale(canvas: np.ndarray) -> float:
    """OpenCV font scale of what is written on a picture of this height."""
    return float(np.clip(canvas.shape[0] / 1200, 0.4, 1.2))


def line_width(canvas: np.ndarray) -> int:
    """Pixels of what is drawn on a picture of this height."""
    return max(1, -(-canvas.shape[0] // 300))


def muted(image: np.ndarray) -> np.ndarray:
    """A darker, greyer copy of a picture: what is drawn over it stands out.

    Args:
        image: BGR uint8, (H, W, 3).
    """
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cv2.addWeighted(image, 0.25, grey, 0.4, 0)


def draw_segments(
    canvas: np.ndarray, segments: np.ndarray, color: Color, thickness: int, casing: bool = False
) -> None:
    """Draws anti-aliased line segments, (n, 2, 2) in pixels, cut to the canvas.

    Args:
        canvas: The picture, (H, W, 3).
        segments: End points.
        color: BGR.
        thickness: Pixels.
        casing: Whether a dark line, a pixel wider on either side, lies below all of them, so that
            they show on any ground.
    """
    height, width = canvas.shape[:2]
    cut = clip_to_canvas(np.asarray(segments, dtype=np.float64).reshape(-1, 2, 2), width, height)
    strokes = [(CASING_COLOR, thickness + 2)] * casing + [(color, thickness)]
    for paint, stroke in strokes:
        for start, end in _fixed_point(cut.points[cut.visible]).tolist():
            cv2.line(canvas, start, end, paint, stroke, cv2.LINE_AA, _SHIFT)


def draw_polygon(canvas: np.ndarray, polygon: np.ndarray, color: Color, thickness: int) -> None:
    """Draws the outline of a closed polygon, (k, 2) in pixels."""
    draw_segments(
        canvas, np.stack([polygon, np.roll(polygon, -1, axis=0)], axis=1), color, thickness
    )


def fill_polygon(canvas: np.ndarray, polygon: np.ndarray, color: Color, opacity: float) -> None:
    """Blends a polygon, (k, 2) in pixels, into the canvas.

    Only the rectangle around the polygon is touched, so that many small ones stay cheap.
    """
    if len(polygon) < 3:
        return
    height, width = canvas.shape[:2]
    low = np.floor(np.clip(polygon.min(axis=0), 0, (width, height))).astype(int)
    high = np.ceil(np.clip(polygon.max(axis=0), 0, (width, height))).astype(int)
    if (high <= low).any():
        return
    region = canvas[low[1] : high[1], low[0] : high[0]]
    painted = region.copy()
    # Far outside the canvas only the direction of an edge matters, and int32 must not overflow.
    local = np.clip(polygon - low, -1e6, 1e6)
    cv2.fillPoly(painted, [_fixed_point(local)], color, cv2.LINE_AA, _SHIFT)
    region[:] = cv2.addWeighted(painted, opacity, region, 1 - opacity, 0)


def text_plate(canvas: np.ndarray, text: str, anchor: Sequence[float], scale: float) -> np.ndarray:
    """Rectangle x1, y1, x2, y2 of one line of text, kept on the canvas.

    Args:
        canvas: The picture, (H, W, 3).
        text: The line.
        anchor: Wanted lower left corner in pixels.
        scale: OpenCV font scale.
    """
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, _font_weight(scale))
    width, height = width + 4, height + baseline
    x = int(np.clip(anchor[0], 0, max(canvas.shape[1] - width, 0)))
    y = int(np.clip(anchor[1], height, max(canvas.shape[0], height)))
    return np.array([x, y - height, x + width, y])


def draw_text(
    canvas: np.ndarray,
    text: str,
    plate: np.ndarray,
    color: Color,
    scale: float,
    background: Color = (30, 30, 30),
) -> None:
    """Writes one line on a translucent plate that ``text_plate`` measured with the same scale."""
    x1, y1, x2, y2 = plate.tolist()
    fill_polygon(
        canvas, np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=float), background, 0.6
    )
    weight = _font_weight(scale)
    baseline = cv2.getTextSize(text, _FONT, scale, weight)[1]
    cv2.putText(canvas, text, (x1 + 2, y2 - baseline), _FONT, scale, color, weight, cv2.LINE_AA)


def _font_weight(scale: float) -> int:
    return max(1, round(1.6 * scale))

"""Dense maps over the image: class scores, auxiliary depth (docs/method.md 7.3)."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import canvas_for
from .legend import draw_color_bar


def draw_score_map(
    image: np.ndarray,
    scores: np.ndarray,
    cell2img: np.ndarray,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Lays a map of scores over the image: where the dense head sees objects.

    Args:
        image: BGR uint8, (H, W, 3).
        scores: In [0, 1] or above (sums over classes), (h, w); one value per cell.
        cell2img: Cell (column + 0.5, row + 0.5) -> pixel of the image, affine, (3, 3).
        out: Canvas to draw into, of the image's size; by default a copy of the image.

    Returns:
        The canvas; the brighter, the higher the score, from 0 to 1.
    """
    canvas = canvas_for(image, out)
    warped, inside = _warp(scores, cell2img, canvas.shape[:2])
    share = np.clip(warped, 0, 1)
    paint = cv2.applyColorMap(np.round(255 * share).astype(np.uint8), cv2.COLORMAP_INFERNO)
    _blend(canvas, paint, np.where(inside, 0.25 + 0.6 * np.sqrt(share), 0.0))
    draw_color_bar(cv2.COLORMAP_INFERNO, ('0', 'score', '1'), canvas)
    return canvas


def draw_depth_map(
    image: np.ndarray,
    depth: np.ndarray,
    cell2img: np.ndarray,
    near: float = 4.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Lays a map of depths over the image, coloured by inverse depth.

    Args:
        image: BGR uint8, (H, W, 3).
        depth: Metres, (h, w); one value per cell. Values that are not positive stay transparent.
        cell2img: Cell (column + 0.5, row + 0.5) -> pixel of the image, affine, (3, 3).
        near: Depth in metres that gets the brightest colour.
        out: Canvas to draw into, of the image's size; by default a copy of the image.

    Returns:
        The canvas.
    """
    canvas = canvas_for(image, out)
    known = np.isfinite(depth) & (depth > 0)
    inverse = near / np.where(known, np.maximum(depth, near), np.inf)
    warped, inside = _warp(inverse, cell2img, canvas.shape[:2])
    paint = cv2.applyColorMap(
        np.round(255 * np.clip(warped, 0, 1)).astype(np.uint8), cv2.COLORMAP_VIRIDIS
    )
    _blend(canvas, paint, np.where(inside & (warped > 0), 0.75, 0.0))
    draw_color_bar(cv2.COLORMAP_VIRIDIS, ('far', 'depth', f'{near:g} m'), canvas)
    return canvas


def _warp(
    values: np.ndarray, cell2img: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The map on the pixels of the image, and which pixels lie on it; both (H, W)."""
    values = np.asarray(values, dtype=np.float32)
    cell2img = np.asarray(cell2img, dtype=np.float64)
    if values.ndim != 2 or cell2img.shape != (3, 3):
        raise ValueError(f'expected a map (h, w) and a 3 x 3 matrix, got {values.shape}')
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # OpenCV counts from pixel centres
    height, width = size
    warped = cv2.warpAffine(
        values,
        (np.linalg.inv(half) @ cell2img @ half)[:2],
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    rows, columns = np.mgrid[:height, :width] + 0.5
    cells = np.linalg.inv(cell2img) @ np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
    limits = np.array(values.shape[::-1])[:, None]
    inside = ((cells[:2] >= 0) & (cells[:2] <= limits)).all(axis=0).reshape(height, width)
    return warped, inside


def _blend(canvas: np.ndarray, paint: np.ndarray, opacity: np.ndarray) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    mixed = opacity[..., None] * paint + (1 - opacity[..., None]) * grey
    canvas[:] = np.round(mixed).astype(np.uint8)

"""All views of one image's detections by name: what demos and tools offer as ``--views``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from ..visualization import (
    Objects,
    draw_boxes_2d,
    draw_boxes_3d,
    draw_depth_map,
    draw_from_above,
    draw_legend,
    draw_orientation_density,
    draw_points,
    draw_score_map,
    fitted,
)
from ..visualization.camera_view import has_heading
from .detections import ImageDetections

__all__ = ['VIEWS', 'draw_view', 'view_sheet', 'wanted_for']

VIEWS = {
    '3d': (),
    '2d': (),
    'bev': (),
    'density': ('with_samples',),
    'orientation': ('with_samples',),
    'points': ('with_points',),
    'heads': ('with_points',),
    'weights': ('with_points',),
    'axes': ('with_points',),
    'scores': ('with_maps',),
    'depth': ('with_maps',),
}
"""Views, and what :func:`detect` must return for them."""

_POINT_COLORS = {'points': 'object', 'heads': 'head', 'weights': 'weight', 'axes': 'axis'}


def wanted_for(views: Iterable[str]) -> dict[str, bool]:
    """Keyword arguments of ``detect`` that these views need.

    Raises:
        ValueError: If a view is unknown.
    """
    names = list(views)
    unknown = [name for name in names if name not in VIEWS]
    if unknown:
        raise ValueError(f'no view {", ".join(unknown)}; there are {", ".join(VIEWS)}')
    return {flag: True for name in names for flag in VIEWS[name]}


def draw_view(
    name: str,
    image: np.ndarray,
    found: ImageDetections,
    truth: Objects | None = None,
    max_range: float = 60.0,
    num_heads: int = 8,
) -> np.ndarray | None:
    """Draws one view.

    Args:
        name: One of ``VIEWS``.
        image: BGR uint8, (H, W, 3).
        found: Detections with what the view needs, see :func:`wanted_for`.
        truth: Ground truth, for the views from above.
        max_range: Metres in views from above.
        num_heads: Attention heads of the correspondence head.

    Returns:
        BGR uint8 (H', W', 3); None where the model has not what the view shows (depth).
    """
    names = found.class_names
    if name == '3d':
        return draw_boxes_3d(image, *found.objects, found.cam2img, names)
    if name == '2d':
        seen = found.select((found.bboxes[:, 2:] > found.bboxes[:, :2]).all(axis=1))
        return draw_boxes_2d(image, seen.bboxes, seen.labels, seen.scores, names)
    if name in ('bev', 'density'):
        return _from_above(image, found, truth, max_range, name == 'density')
    if name in _POINT_COLORS:
        depths, color_by = found.boxes[:, 5], _POINT_COLORS[name]
        return draw_points(
            image, found.x2d, found.w2d, found.labels, depths, color_by, num_heads=num_heads
        )
    if name == 'orientation':
        return _headings(found)
    maps = found.maps or {}
    if name == 'scores':
        return draw_score_map(image, maps['scores'], maps['score2img'])
    return draw_depth_map(image, maps['depth'], maps['depth2img']) if 'depth' in maps else None


def view_sheet(
    views: Sequence[str],
    image: np.ndarray,
    found: ImageDetections,
    truth: Objects | None = None,
    max_range: float = 60.0,
    num_heads: int = 8,
    columns: int = 2,
    min_height: int = 540,
) -> np.ndarray:
    """Draws views side by side, each as high as the image; small images are enlarged first.

    Args:
        views: Names of ``VIEWS``, in the order of the sheet.
        image: BGR uint8, (H, W, 3).
        found: Detections with what the views need.
        truth: Ground truth, for the views from above.
        max_range: Metres in views from above.
        num_heads: Attention heads of the correspondence head.
        columns: Views in a row.
        min_height: Pixels that a view is high at least.

    Returns:
        BGR uint8.
    """
    image, found = _enlarged(image, found, min_height)
    drawn = [draw_view(name, image, found, truth, max_range, num_heads) for name in views]
    tiles = [picture for picture in drawn if picture is not None]
    height, width = image.shape[:2]
    rows = []
    for start in range(0, len(tiles), columns):
        row = [
            tile if tile.shape[0] == height else fitted(tile, (width, height), 250)
            for tile in tiles[start : start + columns]
        ]
        rows.append(np.concatenate(row, axis=1))
    full = max(row.shape[1] for row in rows)
    padded = [
        cv2.copyMakeBorder(
            row, 0, 0, 0, full - row.shape[1], cv2.BORDER_CONSTANT, value=(250, 250, 250)
        )
        for row in rows
    ]
    return np.concatenate(padded, axis=0)


def _from_above(
    image: np.ndarray,
    found: ImageDetections,
    truth: Objects | None,
    max_range: float,
    with_density: bool,
) -> np.ndarray:
    view = found.view(image, ground_truth=truth)
    if not with_density:
        view = view._replace(samples=None, log_weights=None)
    picture = draw_from_above(view, found.class_names, max_range, image.shape[0])
    return draw_legend(picture, found.class_names, found.labels, truth is not None, out=picture)


def _headings(found: ImageDetections, side: int = 200, columns: int = 4) -> np.ndarray:
    """Roses of the best detections that have a heading, up to three rows of them."""
    names = found.class_names
    turned = [i for i in range(len(found)) if has_heading(int(found.labels[i]), names)]
    roses = [
        draw_orientation_density(
            found.samples[i, :, 3],
            found.log_weights[i],
            solved=float(found.boxes[i, 6]),
            label=int(found.labels[i]),
            title=f'{names[found.labels[i]]} {found.scores[i]:.2f}, {found.boxes[i, 5]:.0f} m',
            size=side,
        )
        for i in turned[: 3 * columns]
    ]
    blank = np.full((side, side, 3), 250, dtype=np.uint8)
    roses += [blank] * (-len(roses) % columns or (0 if roses else columns))
    rows = [np.concatenate(roses[i : i + columns], axis=1) for i in range(0, len(roses), columns)]
    return np.concatenate(rows, axis=0)


def _enlarged(
    image: np.ndarray, found: ImageDetections, min_height: int
) -> tuple[np.ndarray, ImageDetections]:
    factor = -(-min_height // image.shape[0])
    if factor <= 1:
        return image, found
    size = (factor * image.shape[1], factor * image.shape[0])
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), found.rescaled(factor)

"""All views of one image's detections by name: what demos and tools offer as ``--views``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from ..visualization import (
    GROUND_TRUTH_COLOR,
    Objects,
    draw_boxes_2d,
    draw_boxes_3d,
    draw_color_bar,
    draw_depth_map,
    draw_from_above,
    draw_key,
    draw_legend,
    draw_orientation_density,
    draw_points,
    draw_score_map,
    muted,
    points_key,
    titled,
)
from ..visualization.camera_view import has_heading
from ..visualization.posterior_view import SOLVED_COLOR
from .detections import ImageDetections
from .matching import match

__all__ = ['VIEWS', 'draw_view', 'view_sheet', 'wanted_for']


class View(NamedTuple):
    """A view that can be asked for by name.

    Attributes:
        title: What it shows.
        wanted: What ``detect`` must return for it.
        color_by: Of points.
    """

    title: str
    wanted: tuple[str, ...] = ()
    color_by: str = ''


VIEWS = {
    '3d': View('3D boxes'),
    '2d': View('2D boxes'),
    'bev': View("bird's-eye view"),
    'density': View('posterior of positions: 50 and 90 % regions', ('with_samples',)),
    'orientation': View('posterior of headings, up: away from the camera', ('with_samples',)),
    'points': View('image points of each object', ('with_points',), 'object'),
    'heads': View('image points by attention head', ('with_points',), 'head'),
    'weights': View('image points by weight', ('with_points',), 'weight'),
    'axes': View('image points by the axis that they pin', ('with_points',), 'axis'),
    'scores': View('score map of the dense head', ('with_maps',)),
    'depth': View('depth of the auxiliary branch', ('with_maps',)),
}
"""Views by name."""

MAX_ROSES = 12
"""Headings in one picture, of the best detections."""


def wanted_for(views: Iterable[str]) -> dict[str, bool]:
    """Keyword arguments of ``detect`` that these views need.

    Raises:
        ValueError: If a view is unknown.
    """
    names = list(views)
    unknown = [name for name in names if name not in VIEWS]
    if unknown:
        raise ValueError(f'no view {", ".join(unknown)}; there are {", ".join(VIEWS)}')
    return {flag: True for name in names for flag in VIEWS[name].wanted}


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
        truth: Ground truth, for the views from above and the headings.
        max_range: Metres in views from above.
        num_heads: Attention heads of the correspondence head.

    Returns:
        BGR uint8 of the image's size; None where the model has not what the view shows (depth).
    """
    names = found.class_names
    if name == '3d':
        return draw_boxes_3d(image, *found.objects, found.cam2img, names)
    if name == '2d':
        seen = found.select((found.bboxes[:, 2:] > found.bboxes[:, :2]).all(axis=1))
        return draw_boxes_2d(image, seen.bboxes, seen.labels, seen.scores, names)
    if name in ('bev', 'density'):
        view = found.view(image, ground_truth=truth)
        if name == 'bev':
            view = view._replace(samples=None, log_weights=None)
        picture = draw_from_above(view, names, max_range, image.shape[1::-1])
        return draw_legend(picture, names, found.labels, truth is not None, out=picture)
    if name == 'orientation':
        return _headings(found, truth, image.shape[1::-1])
    if VIEWS[name].color_by:
        return _points(image, found, VIEWS[name].color_by, num_heads)
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
    """Draws views in a grid, each as large as the image and below its title.

    Args:
        views: Names of ``VIEWS``, in the order of the sheet.
        image: BGR uint8, (H, W, 3).
        found: Detections with what the views need.
        truth: Ground truth, for the views from above and the headings.
        max_range: Metres in views from above.
        num_heads: Attention heads of the correspondence head.
        columns: Views in a row.
        min_height: Pixels that a view is high at least; small images are enlarged.

    Returns:
        BGR uint8.
    """
    image, found = _enlarged(image, found, min_height)
    blank = np.full_like(image, 250)
    cells = []
    for name in views:
        picture, title = (
            draw_view(name, image, found, truth, max_range, num_heads),
            VIEWS[name].title,
        )
        cells.append(
            titled(blank, f'{title}: this model has none') if picture is None
            else titled(picture, title)
        )  # fmt: skip
    columns = min(columns, len(cells))
    cells += [titled(blank, '')] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, axis=0)


def _points(image: np.ndarray, found: ImageDetections, color_by: str, num_heads: int) -> np.ndarray:
    """The image points over the muted image, and what their colours mean."""
    picture = muted(image)
    depths = found.boxes[:, 5]
    draw_points(image, found.x2d, found.w2d, found.labels, depths, color_by, num_heads, out=picture)
    if color_by == 'object':
        return draw_legend(picture, found.class_names, found.labels, out=picture)
    if color_by == 'weight':
        return draw_color_bar(cv2.COLORMAP_VIRIDIS, ('0', 'weight', 'max'), picture)
    return draw_key(points_key(color_by, num_heads), picture)


def _headings(found: ImageDetections, truth: Objects | None, size: tuple[int, int]) -> np.ndarray:
    """Roses of the best detections that have a heading, as large as they fit."""
    (width, height), names = size, found.class_names
    picture = np.full((height, width, 3), 250, dtype=np.uint8)
    turned = [i for i in range(len(found)) if has_heading(int(found.labels[i]), names)]
    turned, margin = turned[:MAX_ROSES], width // 5  # the key stands in the margin
    matches = None if truth is None else match(found.objects, truth)
    pairs = {} if matches is None else dict(zip(matches.detections, matches.ground_truth))
    sides = {
        columns: min(
            (width - margin) // columns, height // -(-len(turned) // columns), round(0.6 * height)
        )
        for columns in range(1, len(turned) + 1)
    }
    columns = max(sides, key=sides.__getitem__, default=1)
    for place, i in enumerate(turned):
        row, column = divmod(place, columns)
        side = sides[columns]
        top, left = row * side, margin + column * side
        name = names[found.labels[i]].replace('_', ' ')
        rose = draw_orientation_density(
            found.samples[i, :, 3],
            found.log_weights[i],
            solved=float(found.boxes[i, 6]),
            truth=None if i not in pairs else float(truth.boxes[pairs[i], 6]),
            label=int(found.labels[i]),
            title=f'{name} {found.scores[i]:.2f}, {found.boxes[i, 5]:.0f} m',
            size=side,
        )
        picture[top : top + side, left : left + side] = rose
    key = [('solved', SOLVED_COLOR)]
    if pairs:
        key.append(('ground truth', GROUND_TRUTH_COLOR))
    return draw_key(key, picture) if turned else picture


def _enlarged(
    image: np.ndarray, found: ImageDetections, min_height: int
) -> tuple[np.ndarray, ImageDetections]:
    factor = -(-min_height // image.shape[0])
    if factor <= 1:
        return image, found
    size = (factor * image.shape[1], factor * image.shape[0])
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), found.rescaled(factor)

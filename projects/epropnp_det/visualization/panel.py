"""All cameras of a frame and their bird's-eye view in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .bev_view import (
    blank_surround_bev,
    draw_bev,
    draw_surround_bev,
    ego_plane,
    surround_bev,
)
from .camera_view import draw_boxes_3d
from .canvas import draw_text, text_plate, text_scale
from .legend import legend_strip
from .posterior_view import draw_bev_density
from .values import CameraView

NUSCENES_LAYOUT = (
    ('CAM_FRONT_LEFT', 'CAM_FRONT', 'CAM_FRONT_RIGHT'),
    ('CAM_BACK_LEFT', 'CAM_BACK', 'CAM_BACK_RIGHT'),
)


def draw_panel(
    views: Sequence[CameraView],
    class_names: Sequence[str] | None = None,
    layout: Sequence[Sequence[str]] = NUSCENES_LAYOUT,
    tile_width: int = 640,
    max_range: float = 60.0,
) -> np.ndarray:
    """Draws the cameras of one frame as a grid, and the surround bird's-eye view to their right.

    Posteriors are drawn where the views have samples of them.

    Args:
        views: Cameras of one frame, at least one; a camera of the layout that is absent leaves a
            grey tile, and cameras outside the layout appear only in the bird's-eye view.
        class_names: Names of the classes.
        layout: Camera names by row.
        tile_width: Width of one camera tile in pixels.
        max_range: Range of the bird's-eye view in metres.

    Returns:
        BGR uint8.

    Raises:
        ValueError: If there is no camera.
    """
    if not views:
        raise ValueError('draw_panel needs at least one camera')
    by_name = {view.name: view for view in views}
    height, width = views[0].image.shape[:2]
    size = (tile_width, round(tile_width * height / width))
    rows = [
        np.concatenate([_tile(by_name.get(name), size, class_names) for name in row], axis=1)
        for row in layout
    ]
    grid = np.concatenate(rows, axis=0)
    bird = _surround(views, class_names, max_range, grid.shape[0])
    return _with_legend(np.concatenate([grid, bird], axis=1), views, class_names)


def draw_side_by_side(
    view: CameraView, class_names: Sequence[str] | None = None, max_range: float = 60.0
) -> np.ndarray:
    """Draws one camera with its 3D boxes, and its bird's-eye view to the right.

    Args:
        view: The camera; its ground truth, if any, shows green in the bird's-eye view.
        class_names: Names of the classes.
        max_range: Range of the bird's-eye view in metres.

    Returns:
        BGR uint8, (H, W + H, 3), with names of classes a strip higher.
    """
    camera = draw_boxes_3d(view.image, *view.objects, cam2img=view.cam2img, class_names=class_names)
    bird = draw_from_above(view, class_names, max_range, (camera.shape[0], camera.shape[0]))
    return _with_legend(np.concatenate([camera, bird], axis=1), [view], class_names)


def draw_from_above(
    view: CameraView,
    class_names: Sequence[str] | None = None,
    max_range: float = 60.0,
    size: tuple[int, int] = (900, 900),
) -> np.ndarray:
    """Draws one camera's bird's-eye view, over the posterior of its objects where that is known.

    Args:
        view: The camera; its ground truth, if any, shows green.
        class_names: Names of the classes.
        max_range: Range in metres.
        size: Width and height in pixels.

    Returns:
        BGR uint8, (height, width, 3).
    """
    found, truth = view.objects, view.ground_truth
    field = dict(cam2img=view.cam2img, image_width=view.image.shape[1], max_range=max_range)
    density = None
    if view.samples is not None:
        posterior = (view.samples, view.log_weights, found.labels, found.scores)
        density = draw_bev_density(*posterior, **field, size=size)
    return draw_bev(
        *found,
        gt_boxes=None if truth is None else truth.boxes,
        gt_labels=None if truth is None else truth.labels,
        class_names=class_names,
        **field,
        size=size,
        out=density,
    )


def enlarged(view: CameraView, min_height: int = 540) -> CameraView:
    """A view whose image is at least ``min_height`` pixels high: lines and text stay legible.

    Args:
        view: The view; returned as it is where its image is large enough.
        min_height: Pixels; the factor is the next whole number.
    """
    height, width = view.image.shape[:2]
    factor = -(-min_height // height)
    if factor <= 1:
        return view
    size = (factor * width, factor * height)
    image = cv2.resize(view.image, size, interpolation=cv2.INTER_CUBIC)
    cam2img = np.diag([factor, factor, 1.0]) @ np.asarray(view.cam2img, dtype=np.float64)[:3, :3]
    return view._replace(image=image, cam2img=cam2img)


def layout_of(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The nuScenes layout without the cameras, rows and columns that are not there.

    Cameras of other names follow in rows of three.

    Args:
        names: Names of the cameras of a frame.
    """
    columns = [i for i in range(3) if any(row[i] in names for row in NUSCENES_LAYOUT)]
    rows = [
        tuple(row[i] for i in columns)
        for row in NUSCENES_LAYOUT
        if any(name in names for name in row)
    ]
    known = {name for row in rows for name in row}
    others = [name for name in names if name not in known]
    step = max(len(columns), 1) if rows else 3
    extra = [tuple(others[i : i + step]) for i in range(0, len(others), step)]
    width = max((len(row) for row in rows + extra), default=0)
    return tuple(row + ('',) * (width - len(row)) for row in rows + extra)


def _tile(
    view: CameraView | None, size: tuple[int, int], class_names: Sequence[str] | None
) -> np.ndarray:
    if view is None:
        return np.full((size[1], size[0], 3), 128, dtype=np.uint8)
    # Boxes are drawn after the resize, so that lines keep their width.
    scale = np.diag([size[0] / view.image.shape[1], size[1] / view.image.shape[0], 1.0])
    image = cv2.resize(view.image, size, interpolation=cv2.INTER_AREA)
    cam2img = scale @ np.asarray(view.cam2img, dtype=np.float64)[:3, :3]
    tile = draw_boxes_3d(
        image, *view.objects, cam2img=cam2img, class_names=class_names, show_labels=False
    )
    scale = text_scale(tile)
    plate = text_plate(tile, view.name, (4, size[1] - 4), scale)
    draw_text(tile, view.name, plate, (255, 255, 255), scale)
    return tile


def _surround(
    views: Sequence[CameraView], class_names: Sequence[str] | None, max_range: float, size: int
) -> np.ndarray:
    """The bird's-eye view around the ego, over the posteriors where they are known."""
    canvas = surround_bev((size, size), max_range)
    picture = blank_surround_bev(canvas, views, max_range)
    for view in views:
        if view.samples is not None:
            posterior = (view.samples, view.log_weights, view.objects.labels, view.objects.scores)
            draw_bev_density(*posterior, plane=ego_plane(view), canvas=canvas, out=picture)
    return draw_surround_bev(views, class_names, max_range, size, out=picture)


def _with_legend(
    picture: np.ndarray, views: Sequence[CameraView], class_names: Sequence[str] | None
) -> np.ndarray:
    """The picture above a strip that explains all colours, so that videos do not flicker."""
    if class_names is None:
        return picture
    with_truth = any(view.ground_truth is not None for view in views)
    height, width = picture.shape[:2]
    strip = legend_strip(width, max(16, height // 20), class_names, with_truth)
    return np.concatenate([picture, strip], axis=0)

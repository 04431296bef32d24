"""What of a 3D box an image shows: its 2D box and how much of it lies outside."""

from __future__ import annotations

import numpy as np
import shapely

from .arrays import points_of_boxes, project, projected_bounds

GRID_STEPS = 10
_AXIS = (np.arange(GRID_STEPS) + 0.5) / GRID_STEPS - 0.5
GRID = np.stack(np.meshgrid(_AXIS, _AXIS, _AXIS, indexing='ij'), axis=-1).reshape(-1, 3)


def image_bboxes(
    corners: np.ndarray, cam2img: np.ndarray, size: tuple[int, int], near: float = 0.1
) -> np.ndarray:
    """2D boxes around what the image shows of each box.

    The convex hull of the projected corners, cut at the image borders, as in mmdet3d's converter.
    Of a box that reaches behind the camera that converter takes the corners in front only; here the
    box is first cut at the near plane. Like that converter this takes the pixels that ``cam2img``
    maps to for edge based ones: the image spans [0, width] x [0, height].

    Args:
        corners: Corners in the camera frame in the order of ``UNIT_CORNERS``, (n, 8, 3).
        cam2img: Intrinsics, (3, 3).
        size: Width and height of the image.
        near: Depth of the near plane in metres.

    Returns:
        ``x1 y1 x2 y2``, (n, 4); NaN where the image shows nothing.
    """
    bboxes, edges = projected_bounds(corners, cam2img, near)  # (n, 4)
    low, high = bboxes[:, :2].copy(), bboxes[:, 2:].copy()
    meets = (low < size).all(axis=1) & (high > 0).all(axis=1)
    bboxes[~meets] = np.nan
    cut = meets & ((low < 0).any(axis=1) | (high > size).any(axis=1))
    canvas = shapely.box(0, 0, *size)
    for index in np.flatnonzero(cut):
        shown = edges.points[index][edges.visible[index]].reshape(-1, 2)
        hull = shapely.convex_hull(shapely.multipoints(shown))
        bboxes[index] = shapely.bounds(shapely.intersection(hull, canvas))
    bboxes[(bboxes[:, 2:] <= bboxes[:, :2]).any(axis=1)] = np.nan
    return bboxes


def truncations(
    centers: np.ndarray,
    extents: np.ndarray,
    rotations: np.ndarray,
    cam2img: np.ndarray,
    size: tuple[int, int],
    near: float = 0.1,
) -> np.ndarray:
    """Share of each box that lies outside the image (docs/method.md 6.1).

    Args:
        centers: Centres in the camera frame, (n, 3).
        extents: Extents along the box's own axes, (n, 3).
        rotations: Box -> camera, (n, 3, 3).
        cam2img: Intrinsics, (3, 3).
        size: Width and height of the image.
        near: Points nearer than this count as outside.

    Returns:
        Share of a 10 x 10 x 10 grid of points, 0 (all inside) to 1, (n,).
    """
    points = points_of_boxes(GRID, centers, extents, rotations)  # (n, 1000, 3)
    in_front = points[..., 2] >= near
    pixels = project(np.where(in_front[..., None], points, [0.0, 0.0, 1.0]), cam2img)
    inside = in_front & (pixels >= 0).all(axis=-1) & (pixels < np.array(size)).all(axis=-1)
    return 1 - inside.mean(axis=1)

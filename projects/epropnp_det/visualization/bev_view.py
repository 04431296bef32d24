"""Bird's-eye views: one camera, or all cameras around the car (``bev`` of docs/method.md 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..boxes.arrays import BOTTOM_FACE, box_corners
from . import geometry
from .camera_view import has_heading
from .canvas import (
    Color,
    check_canvas,
    draw_polygon,
    draw_segments,
    draw_text,
    fill_polygon,
    text_plate,
    text_scale,
)
from .palette import GROUND_TRUTH_COLOR, class_color
from .values import CameraView, Objects

BACKGROUND = 250
RING_COLOR = (205, 205, 205)
WEDGE_COLOR = (222, 222, 222)

# Rows: metres to the right and metres ahead of a homogeneous point in the camera / ego frame.
CAMERA_TO_BEV = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0]])
EGO_TO_BEV = np.array([[0, -1.0, 0, 0], [1, 0, 0, 0]])


class BevCanvas(NamedTuple):
    """Scale and origin of a bird's-eye picture, forward up.

    Attributes:
        width: Pixels.
        height: Pixels.
        origin: Pixel of the camera or ego origin.
        pixels_per_metre: Scale.
    """

    width: int
    height: int
    origin: tuple[float, float]
    pixels_per_metre: float

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """(right, ahead) in metres -> pixels, (..., 2)."""
        return np.array(self.origin) + points * np.array([1, -1]) * self.pixels_per_metre

    def blank(self) -> np.ndarray:
        """An empty picture, BGR uint8 (H, W, 3)."""
        return np.full((self.height, self.width, 3), BACKGROUND, dtype=np.uint8)


def draw_bev(
    boxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float] | None = None,
    gt_boxes: np.ndarray | None = None,
    gt_labels: Sequence[int] | None = None,
    cam2img: np.ndarray | None = None,
    image_width: int = 1600,
    class_names: Sequence[str] | None = None,
    max_range: float = 60.0,
    size: tuple[int, int] = (900, 900),
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Draws one camera's objects from above: camera at the bottom, forward up, ground truth green.

    Args:
        boxes: ``[l, h, w, x, y, z, yaw]`` in the camera frame, (n, 7).
        labels: Class indices, (n,).
        scores: Scores, (n,), or None; objects are painted in rising order of score.
        gt_boxes: Ground truth, (m, 7), or None.
        gt_labels: Classes of the ground truth, (m,); without them every box gets a heading.
        cam2img: Intrinsics; when given, the field of view is shaded.
        image_width: Width in pixels of the image that ``cam2img`` belongs to.
        class_names: Names of the classes; those without a heading get no triangle.
        max_range: Metres ahead that fit on the picture.
        size: Width and height of a new picture in pixels.
        out: Picture to draw over, for example a density; by default a new one with rings.

    Returns:
        BGR uint8, (height, width, 3).
    """
    if out is not None:
        check_canvas(out)
        size = out.shape[1::-1]
    canvas = camera_bev(size, max_range)
    picture = blank_bev(canvas, max_range, cam2img, image_width) if out is None else out
    if gt_boxes is not None:
        gt_boxes = geometry.as_boxes(gt_boxes)
        gt_labels = np.full(len(gt_boxes), -1) if gt_labels is None else np.asarray(gt_labels)
        truth = Objects(gt_boxes, gt_labels)
        _draw_objects(picture, canvas, truth, CAMERA_TO_BEV, class_names, GROUND_TRUTH_COLOR)
    found = Objects(
        geometry.as_boxes(boxes), np.asarray(labels), None if scores is None else np.asarray(scores)
    )
    _draw_objects(picture, canvas, found, CAMERA_TO_BEV, class_names)
    return picture


def camera_bev(size: tuple[int, int], max_range: float) -> BevCanvas:
    """Canvas of one camera: it stands at the bottom, ``max_range`` metres ahead fit on.

    Args:
        size: Width and height in pixels.
        max_range: Metres.
    """
    width, height = size
    return BevCanvas(width, height, (width / 2, 0.97 * height), 0.94 * height / max_range)


def blank_bev(
    canvas: BevCanvas, max_range: float, cam2img: np.ndarray | None = None, image_width: int = 1600
) -> np.ndarray:
    """An empty view of one camera: range rings and, with ``cam2img``, the field of view.

    Args:
        canvas: From :func:`camera_bev`.
        max_range: Metres.
        cam2img: Intrinsics, (3, 3), or None.
        image_width: Width in pixels of the image that they belong to.
    """
    picture = canvas.blank()
    if cam2img is not None:
        _draw_wedge(picture, canvas, cam2img, image_width, CAMERA_TO_BEV, 2 * max_range)
    _draw_rings(picture, canvas, max_range)
    return picture


def draw_surround_bev(
    views: Sequence[CameraView],
    class_names: Sequence[str] | None = None,
    max_range: float = 60.0,
    size: int = 900,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Draws all cameras of a frame in the ego frame: ego in the middle, forward up.

    Args:
        views: The cameras; ground truth of each is drawn where it has one.
        class_names: Names of the classes.
        max_range: Metres from the middle to the border.
        size: Side in pixels of a new picture, which is square.
        out: Picture to draw over; by default a new one with rings and fields of view.

    Returns:
        BGR uint8, (size, size, 3).
    """
    if out is not None:
        check_canvas(out)
    height, width = (size, size) if out is None else out.shape[:2]
    canvas = surround_bev((width, height), max_range)
    picture = blank_surround_bev(canvas, views, max_range) if out is None else out
    planes = [ego_plane(view) for view in views]
    for view, plane in zip(views, planes):
        if view.ground_truth is not None:
            truth = view.ground_truth
            _draw_objects(picture, canvas, truth, plane, class_names, GROUND_TRUTH_COLOR)
    for view, plane in zip(views, planes):
        _draw_objects(picture, canvas, view.objects, plane, class_names)
    ego = np.array([[-0.9, -1.0], [-0.9, 3.5], [0.9, 3.5], [0.9, -1.0]])
    fill_polygon(picture, canvas.to_pixels(ego), (60, 60, 60), 0.9)
    return picture


def surround_bev(size: tuple[int, int], max_range: float) -> BevCanvas:
    """Canvas around the ego, which stands in the middle; ``max_range`` metres ahead fit on.

    Args:
        size: Width and height in pixels.
        max_range: Metres.
    """
    width, height = size
    return BevCanvas(width, height, (width / 2, height / 2), height / (2 * max_range))


def blank_surround_bev(
    canvas: BevCanvas, views: Sequence[CameraView], max_range: float
) -> np.ndarray:
    """An empty view around the ego: range rings and the fields of view of the cameras.

    Args:
        canvas: From :func:`surround_bev`.
        views: The cameras.
        max_range: Metres.
    """
    picture = canvas.blank()
    for view in views:
        width, length = view.image.shape[1], 0.25 * max_range
        _draw_wedge(picture, canvas, view.cam2img, width, ego_plane(view), length)
    _draw_rings(picture, canvas, max_range)
    return picture


def ego_plane(view: CameraView) -> np.ndarray:
    """Map (2, 4) from the frame of a camera to metres (right, ahead) of the ego."""
    return EGO_TO_BEV @ np.asarray(view.cam2ego, dtype=np.float64)


def to_plane(points: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Applies a (2, 4) map such as ``CAMERA_TO_BEV`` to points (..., 3) -> (..., 2) metres."""
    return points @ plane[:, :3].T + plane[:, 3]


def _draw_objects(
    picture: np.ndarray,
    canvas: BevCanvas,
    objects: Objects,
    plane: np.ndarray,
    class_names: Sequence[str] | None,
    color: Color | None = None,
) -> None:
    """Footprints with a triangle at the front; those with the highest score come last, on top."""
    corners = box_corners(objects.boxes)[:, BOTTOM_FACE]  # (n, 4, 3)
    footprints = canvas.to_pixels(to_plane(corners, plane))  # (n, 4, 2)
    count = len(footprints)
    order = range(count) if objects.scores is None else np.argsort(objects.scores, kind='stable')
    thickness = max(1, round(canvas.height / 450))
    for i in order:
        label, footprint = int(objects.labels[i]), footprints[i]
        paint = class_color(label) if color is None else color
        fill_polygon(picture, footprint, paint, 0.15)
        draw_polygon(picture, footprint, paint, thickness)
        if has_heading(label, class_names):
            nose = footprint[:2].mean(axis=0)
            sides = footprint[[0, 1]] + 0.3 * (footprint[[3, 2]] - footprint[[0, 1]])
            fill_polygon(picture, np.stack([nose, sides[0], sides[1]]), paint, 0.9)


def _draw_rings(picture: np.ndarray, canvas: BevCanvas, max_range: float) -> None:
    scale = 0.8 * text_scale(picture)
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.sin(angle), np.cos(angle)], axis=1)  # (181, 2)
    for radius in range(10, int(max_range) + 1, 10):
        ring = canvas.to_pixels(radius * circle)
        draw_segments(picture, np.stack([ring[:-1], ring[1:]], axis=1), RING_COLOR, 1)
        anchor = canvas.to_pixels(np.array([0.0, float(radius)]))
        plate = text_plate(picture, f'{radius} m', anchor, scale)
        draw_text(picture, f'{radius} m', plate, (110, 110, 110), scale, (BACKGROUND,) * 3)


def _draw_wedge(
    picture: np.ndarray,
    canvas: BevCanvas,
    cam2img: np.ndarray,
    image_width: float,
    plane: np.ndarray,
    length: float,
) -> None:
    """Shades the field of view: the rays through the left and the right image border."""
    cam2img = geometry.as_cam2img(cam2img)
    borders = np.array([[0, cam2img[1, 2], 1], [image_width, cam2img[1, 2], 1]])
    rays = np.linalg.solve(cam2img, borders.T).T  # (2, 3)
    rays = rays / np.linalg.norm(rays[:, [0, 2]], axis=1, keepdims=True)
    angles = np.linspace(np.arctan2(rays[0, 0], rays[0, 2]), np.arctan2(rays[1, 0], rays[1, 2]), 25)
    arc = length * np.stack([np.sin(angles), np.zeros_like(angles), np.cos(angles)], axis=1)
    fan = np.concatenate([np.zeros((1, 3)), arc])  # (26, 3)
    outline = canvas.to_pixels(to_plane(fan, plane))
    fill_polygon(picture, outline, WEDGE_COLOR, 0.7)
    draw_polygon(picture, outline, RING_COLOR, 1)

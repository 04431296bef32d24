"""3D boxes over the camera image (the ``3d`` view of docs/method.md 7.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..boxes.arrays import BOTTOM_FACE, EDGES, FRONT_FACE, box_corners, project
from . import geometry
from .canvas import (
    Color,
    canvas_for,
    draw_polygon,
    draw_segments,
    draw_text,
    fill_polygon,
    line_width,
    text_plate,
    text_scale,
)
from .palette import HEADINGLESS_CLASSES, class_color


def label_text(label: int, score: float | None, class_names: Sequence[str] | None) -> str:
    """``car 0.87``, or ``class 3`` without names, or without the score where there is none."""
    known = class_names is not None and 0 <= label < len(class_names)
    name = class_names[label].replace('_', ' ') if known else f'class {label}'
    return name if score is None else f'{name} {score:.2f}'


def has_heading(label: int, class_names: Sequence[str] | None) -> bool:
    """Whether an arrow makes sense; unknown classes get one."""
    known = class_names is not None and 0 <= label < len(class_names)
    return not (known and class_names[label] in HEADINGLESS_CLASSES)


def draw_boxes_3d(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float] | None = None,
    cam2img: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    color: Color | None = None,
    thickness: int | None = None,
    show_labels: bool = True,
    near: float = 0.1,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Draws wireframes far to near: hidden edges thin, front face shaded, a line for the heading.

    Args:
        image: BGR uint8, (H, W, 3); it is not changed.
        boxes: ``[l, h, w, x, y, z, yaw]`` in the camera frame, (n, 7).
        labels: Class indices, (n,).
        scores: Scores to print, (n,), or None.
        cam2img: Intrinsics of this image, (3, 3).
        class_names: Names of the classes.
        color: One BGR colour for all boxes; by default each class has its own.
        thickness: Line width in pixels; by default it follows the image size.
        show_labels: Whether class names and scores are printed.
        near: Depth of the near plane in metres.
        out: Canvas to draw into, of the image's size; by default a copy of the image.

    Returns:
        The canvas.

    Raises:
        ValueError: If the image, the boxes or ``cam2img`` are malformed, or lengths differ.
    """
    canvas = canvas_for(image, out)
    boxes = geometry.as_boxes(boxes)
    if cam2img is None:
        raise ValueError('draw_boxes_3d needs the intrinsics: pass cam2img=(3, 3) of this image')
    cam2img = geometry.as_cam2img(cam2img)
    _check_lengths(len(boxes), labels, scores)
    thickness = thickness or line_width(canvas)
    order = np.argsort(-np.linalg.norm(boxes[:, 3:6], axis=1), kind='stable')
    paints = [class_color(int(label)) if color is None else tuple(color) for label in labels]
    for i in order:
        heading = has_heading(int(labels[i]), class_names)
        _draw_box(canvas, boxes[i], cam2img, paints[i], thickness, heading, near)
    if show_labels:
        texts = _label_texts(labels, scores, class_names)
        bboxes, visible = geometry.project_boxes_2d(boxes, cam2img, canvas.shape[1::-1], near)
        shown = [i for i in order[::-1] if visible[i]]
        _draw_labels(canvas, bboxes, shown, paints, texts)
    return canvas


def draw_boxes_2d(
    image: np.ndarray,
    bboxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    color: Color | None = None,
    thickness: int | None = None,
    show_labels: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Draws 2D boxes, the best on top (the ``2d`` view of docs/method.md 7.3).

    Args:
        image: BGR uint8, (H, W, 3); it is not changed.
        bboxes: x1 y1 x2 y2 in pixels that count from the edge, (n, 4).
        labels: Class indices, (n,).
        scores: Scores to print, (n,), or None.
        class_names: Names of the classes.
        color: One BGR colour for all boxes; by default each class has its own.
        thickness: Line width in pixels; by default it follows the image size.
        show_labels: Whether class names and scores are printed.
        out: Canvas to draw into, of the image's size; by default a copy of the image.

    Returns:
        The canvas.

    Raises:
        ValueError: If the image or the boxes are malformed, or lengths differ.
    """
    canvas = canvas_for(image, out)
    bboxes = np.asarray(bboxes, dtype=np.float64).reshape(-1, 4)
    _check_lengths(len(bboxes), labels, scores)
    thickness = thickness or line_width(canvas)
    paints = [class_color(int(label)) if color is None else tuple(color) for label in labels]
    best = np.arange(len(bboxes)) if scores is None else np.argsort(-np.asarray(scores))
    known = [int(i) for i in best if np.isfinite(bboxes[i]).all()]
    for i in reversed(known):
        x1, y1, x2, y2 = bboxes[i]
        rectangle = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        draw_polygon(canvas, rectangle, paints[i], thickness)
    if show_labels:
        _draw_labels(canvas, bboxes, known, paints, _label_texts(labels, scores, class_names))
    return canvas


def _check_lengths(count: int, labels: Sequence[int], scores: Sequence[float] | None) -> None:
    if len(labels) != count or (scores is not None and len(scores) != count):
        raise ValueError(f'{count} boxes need as many labels and scores')


def _label_texts(
    labels: Sequence[int], scores: Sequence[float] | None, class_names: Sequence[str] | None
) -> list[str]:
    shown = [None] * len(labels) if scores is None else scores
    return [label_text(int(label), score, class_names) for label, score in zip(labels, shown)]


def _draw_box(
    canvas: np.ndarray,
    box: np.ndarray,
    cam2img: np.ndarray,
    color: Color,
    thickness: int,
    heading: bool,
    near: float,
) -> None:
    corners = box_corners(box[None])[0]  # (8, 3)
    shown = geometry.visible_edges(box[None])[0]  # (12,)
    if heading:
        front = geometry.clip_polygon(corners[FRONT_FACE], near)
        turned_to_camera = shown[:4].all()
        opacity = 0.45 if turned_to_camera else 0.2
        fill_polygon(canvas, project(front, cam2img), color, opacity)
    edges = geometry.project_segments(corners[EDGES], cam2img, near)
    hidden, solid = edges.visible & ~shown, edges.visible & shown
    faint = [round(0.6 * channel) for channel in color]
    draw_segments(canvas, edges.points[hidden], faint, max(1, thickness // 2))
    draw_segments(canvas, edges.points[solid], color, thickness, casing=True)
    if heading:
        base = corners[BOTTOM_FACE]
        line = np.stack([base.mean(axis=0), base[:2].mean(axis=0)])
        nose = geometry.project_segments(line[None], cam2img, near)
        draw_segments(canvas, nose.points[nose.visible], color, thickness)


def _draw_labels(
    canvas: np.ndarray,
    bboxes: np.ndarray,
    order: Sequence[int],
    paints: Sequence[Color],
    texts: Sequence[str],
) -> None:
    """Writes labels above their 2D boxes in this order, without those that would cover another."""
    scale = text_scale(canvas)
    taken = np.zeros((0, 4))
    for i in order:
        plate = text_plate(canvas, texts[i], (bboxes[i, 0], bboxes[i, 1] - 2), scale)
        apart = (plate[2:] <= taken[:, :2]) | (taken[:, 2:] <= plate[:2])  # (k, 2)
        if apart.any(axis=1).all():
            bright = [min(255, channel // 2 + 128) for channel in paints[i]]
            draw_text(canvas, texts[i], plate, bright, scale)
            taken = np.vstack([taken, plate])

"""Resize, crop and flip, carried by one 3 x 3 matrix per image.

``img2net`` maps original pixels to network pixels (docs/architecture.md, decision 1). The steps
here change the image, the 2D boxes, the projected centres and that matrix; intrinsics, 3D boxes,
depths and velocities stay those of the original image. Pixels are edge based: an image of width W
spans [0, W], so a resize is a pure scale and a flip is x -> W - x, with no half-pixel terms.

Every step returns a new dict and writes into nothing it was given.
"""

from __future__ import annotations

from collections.abc import Sequence

import mmcv
import numpy as np
import torch
from mmdet3d.datasets.builder import PIPELINES

# Fields with one row per ground-truth object; whatever is present is kept in step.
OBJECT_FIELDS = (
    'gt_bboxes',
    'gt_labels',
    'gt_bboxes_3d',
    'gt_labels_3d',
    'attr_labels',
    'centers2d',
    'depths',
    'gt_truncation',
)
BBOX_FIELDS = ('gt_bboxes', 'gt_bboxes_ignore')


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Applies an affine pixel map.

    Args:
        points: Pixels, (n, 2).
        matrix: Affine 3 x 3.

    Returns:
        Mapped pixels of the same dtype, (n, 2).
    """
    return (points @ matrix[:2, :2].T + matrix[:2, 2]).astype(points.dtype)


def transform_bboxes(bboxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Applies a pixel map without rotation to boxes ``x1 y1 x2 y2``, (n, 4)."""
    corners = transform_points(bboxes.reshape(-1, 2), matrix).reshape(-1, 2, 2)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=-1)  # (n, 4)


def bbox_areas(bboxes: np.ndarray) -> np.ndarray:
    """Areas of boxes ``x1 y1 x2 y2``; empty ones have zero area, (n,)."""
    sides = np.maximum(bboxes[:, 2:] - bboxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def focal_length(results: dict) -> float:
    """Horizontal focal length in pixels of the image at this step."""
    return abs(float(results['cam2img'][0, 0] * results['img2net'][0, 0]))


def map_results(results: dict, image: np.ndarray, matrix: np.ndarray) -> dict:
    """The results with a new image and everything in pixels mapped by ``matrix``."""
    mapped = {
        'img': image,
        'img_shape': image.shape,
        'pad_shape': image.shape,
        'img2net': (matrix @ results['img2net'].astype(np.float64)).astype(np.float32),
    }
    mapped.update(
        {key: transform_bboxes(results[key], matrix) for key in BBOX_FIELDS if key in results}
    )
    if 'centers2d' in results:
        mapped['centers2d'] = transform_points(results['centers2d'], matrix)
    return {**results, **mapped}


def select_objects(results: dict, keep: np.ndarray) -> dict:
    """The results with only the ground-truth objects of ``keep``, bool (n,)."""
    chosen = {}
    for key in OBJECT_FIELDS:
        if key in results:
            is_array = isinstance(results[key], np.ndarray)
            chosen[key] = results[key][keep if is_array else torch.from_numpy(keep)]
    return {**results, **chosen}


def drop_hidden(results: dict, min_visible: float) -> dict:
    """Clips boxes to a canvas that was just cut out; what lost too much joins the ignored ones.

    An object stays if the area that is left is at least ``min_visible`` of its area without any
    border, also those of the original image (``gt_truncation``).

    Args:
        results: After the cut, boxes reaching beyond the canvas.
        min_visible: Least visible share of an object.
    """
    height, width = results['img'].shape[:2]
    canvas = np.array([width, height, width, height], dtype=np.float32)
    before = bbox_areas(results['gt_bboxes'])
    truncation = results.get('gt_truncation', np.zeros_like(before))
    total = before / np.maximum(1 - truncation, 1e-6)
    clipped = np.clip(results['gt_bboxes'], 0, canvas)
    after = bbox_areas(clipped)
    keep = (after > 0) & (after >= min_visible * total)
    ignored = np.clip(results.get('gt_bboxes_ignore', np.zeros((0, 4), np.float32)), 0, canvas)
    ignored = np.concatenate([ignored, clipped[~keep]])
    return {
        **select_objects({**results, 'gt_bboxes': clipped}, keep),
        'gt_bboxes_ignore': ignored[bbox_areas(ignored) > 0],
    }


@PIPELINES.register_module()
class ResizeMono3D:
    """Resizes the image; boxes and centres follow, ``img2net`` records the exact factors.

    Shrinking averages areas, enlarging interpolates linearly. The scale of a surrounding
    ``MultiScaleFlipAug`` is not used: what is configured here holds in training and testing.

    Args:
        scale: Factor, or a range (low, high) from which it is drawn uniformly.
        img_scale: Target (width, height), instead of ``scale``.
        keep_ratio: With ``img_scale``: fit into the target with one factor for both axes.
        focal: Target focal length in pixels, instead of ``scale``: at the same distance objects
            then appear at the same size, whatever the camera.
        rng: Source of the factor; None takes NumPy's global one, which mmdet seeds per worker.

    Raises:
        ValueError: If not exactly one of ``scale``, ``img_scale`` and ``focal`` is given, or it is
            not positive.
    """

    def __init__(
        self,
        scale: float | Sequence[float] | None = None,
        img_scale: Sequence[int] | None = None,
        keep_ratio: bool = False,
        rng: np.random.Generator | None = None,
        focal: float | None = None,
    ) -> None:
        targets = [target for target in (scale, img_scale, focal) if target is not None]
        if len(targets) != 1:
            raise ValueError('ResizeMono3D needs one of scale, img_scale=(width, height) and focal')
        if np.min(targets[0]) <= 0:
            raise ValueError(f'ResizeMono3D needs positive sizes: {scale=}, {img_scale=}, {focal=}')
        self.scale = scale
        self.img_scale = img_scale
        self.keep_ratio = keep_ratio
        self.rng = rng
        self.focal = focal

    def __call__(self, results: dict) -> dict:
        """Resizes the image and what lies in its pixels."""
        image = results['img']
        height, width = image.shape[:2]
        new_width, new_height = self._target(width, height, results)
        shrinks = new_width * new_height < width * height
        resized = mmcv.imresize(
            image, (new_width, new_height), interpolation='area' if shrinks else 'bilinear'
        )
        return map_results(results, resized, np.diag([new_width / width, new_height / height, 1.0]))

    def _target(self, width: int, height: int, results: dict) -> tuple[int, int]:
        if self.img_scale is not None:
            if not self.keep_ratio:
                return int(self.img_scale[0]), int(self.img_scale[1])
            factor = min(self.img_scale[0] / width, self.img_scale[1] / height)
        elif self.focal is not None:
            factor = self.focal / focal_length(results)
        elif np.ndim(self.scale):
            factor = (self.rng or np.random).uniform(*self.scale)
        else:
            factor = self.scale
        return max(round(width * factor), 1), max(round(height * factor), 1)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, img_scale={self.img_scale}, '
            f'focal={self.focal})'
        )


@PIPELINES.register_module()
class CropMono3D:
    """Cuts fixed margins off (docs/method.md 6.3: the top 228 rows, which show sky).

    Objects of which too little remains leave the ground truth and join ``gt_bboxes_ignore``, so
    that they need not be trained as background. What an object lost before, at the borders of the
    original image, counts too: it stays if the area after is at least
    ``min_visible * area before / (1 - truncation)``.

    Args:
        top: Rows cut off at the top, in pixels of the image at this step.
        bottom: Rows cut off at the bottom.
        left: Columns cut off on the left.
        right: Columns cut off on the right.
        min_visible: Least visible share of an object.
        allow_empty: Whether an image that loses its last object stays in training; otherwise the
            step returns None, upon which the data set draws another image.
    """

    def __init__(
        self,
        top: int = 228,
        bottom: int = 0,
        left: int = 0,
        right: int = 0,
        min_visible: float = 0.2,
        allow_empty: bool = False,
    ) -> None:
        if min(top, bottom, left, right) < 0:
            raise ValueError('CropMono3D cuts off; margins must not be negative')
        self.top, self.bottom, self.left, self.right = top, bottom, left, right
        self.min_visible = min_visible
        self.allow_empty = allow_empty

    def __call__(self, results: dict) -> dict | None:
        """Crops the image and what lies in its pixels.

        Raises:
            ValueError: If nothing of the image would remain.
        """
        height, width = results['img'].shape[:2]
        rows = slice(self.top, height - self.bottom)
        columns = slice(self.left, width - self.right)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            raise ValueError(
                f'{self} leaves nothing of a {width} x {height} image; adapt the margins'
            )
        matrix = np.array([[1.0, 0, -self.left], [0, 1.0, -self.top], [0, 0, 1.0]])
        cropped = map_results(results, results['img'][rows, columns].copy(), matrix)
        if 'gt_bboxes' not in results:
            return cropped
        cropped = drop_hidden(cropped, self.min_visible)
        lost_all = len(results['gt_bboxes']) > 0 and len(cropped['gt_bboxes']) == 0
        return None if lost_all and not self.allow_empty else cropped

    def __repr__(self) -> str:
        margins = f'top={self.top}, bottom={self.bottom}, left={self.left}, right={self.right}'
        return f'{type(self).__name__}({margins}, min_visible={self.min_visible})'


@PIPELINES.register_module()
class FlipMono3D:
    """Mirrors the image horizontally; 3D ground truth and intrinsics stay (docs/method.md 0).

    A ``flip`` that is already in the results decides (``MultiScaleFlipAug`` sets it), else a draw.

    Args:
        flip_ratio: Probability of a flip.
        rng: Source of the draw; None takes NumPy's global one, which mmdet seeds per worker.
    """

    def __init__(self, flip_ratio: float = 0.5, rng: np.random.Generator | None = None) -> None:
        if not 0 <= flip_ratio <= 1:
            raise ValueError(f'flip_ratio is a probability, got {flip_ratio}')
        self.flip_ratio = flip_ratio
        self.rng = rng

    def __call__(self, results: dict) -> dict:
        """Flips the image and what lies in its pixels, or does not.

        Raises:
            ValueError: If a vertical flip is asked for: no pose on the ground looks like that.
        """
        flip = results.get('flip')
        if flip is None:
            flip = bool((self.rng or np.random).uniform() < self.flip_ratio)
        if flip and results.get('flip_direction') not in (None, 'horizontal'):
            raise ValueError(f'only horizontal flips are possible, not {results["flip_direction"]}')
        results = {**results, 'flip': flip, 'flip_direction': 'horizontal' if flip else None}
        if not flip:
            return results
        image = np.ascontiguousarray(results['img'][:, ::-1])
        matrix = np.array([[-1.0, 0, image.shape[1]], [0, 1.0, 0], [0, 0, 1.0]])
        return map_results(results, image, matrix)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(flip_ratio={self.flip_ratio})'

"""Windows around objects, zoomed: the augmentation of training from scratch in little time.

A convolution costs as much over sky as over a car. Windows of a fixed size that lie around objects,
at a scale of their own each, spend it on objects, and show near and far ones of every class at all
sizes. Intrinsics and boxes in metres stay: `img2net` says what was cut and by how much it was
enlarged, so nothing about depth has to be rescaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mmcv
import numpy as np
from mmdet3d.datasets.builder import PIPELINES

from .geometry import drop_hidden, focal_length, map_results


class Window(NamedTuple):
    """A rectangle of an image in whole pixels."""

    left: int
    top: int
    width: int
    height: int


@PIPELINES.register_module()
class ZoomMono3D:
    """Cuts a window out, mostly around an object, and resizes it to a fixed size.

    Windows lie inside the image. Objects of which too little remains join ``gt_bboxes_ignore``, as
    in ``CropMono3D``.

    Args:
        size: Width and height of the result in pixels.
        zoom: Range of the enlargement, drawn uniformly on a logarithmic scale. A window that would
            be larger than the image is enlarged until it fits.
        focal: Range of the focal length in pixels of the result, instead of ``zoom``: at the same
            distance objects then appear at the same sizes, whatever the camera.
        focus: Probability of a window around an object; else it lies anywhere.
        class_weights: Relative probability of an object of each class to be the one; all equal
            by default.
        min_visible: Least visible share of an object.
        rng: Source of the draws; None takes NumPy's global one, which mmdet seeds per worker.

    Raises:
        ValueError: If a size, a zoom or the probability is out of range.
    """

    def __init__(
        self,
        size: Sequence[int],
        zoom: Sequence[float] | None = None,
        focus: float = 0.8,
        class_weights: Sequence[float] | None = None,
        min_visible: float = 0.3,
        rng: np.random.Generator | None = None,
        focal: Sequence[float] | None = None,
    ) -> None:
        if zoom is not None and focal is not None:
            raise ValueError(f'ZoomMono3D takes zoom or focal, not both: {zoom=}, {focal=}')
        span = focal or zoom or (1.0, 1.0)
        if min(size) < 1 or not 0 < span[0] <= span[1]:
            raise ValueError(f'ZoomMono3D needs positive sizes and a range: {size=}, {span=}')
        if not 0 <= focus <= 1:
            raise ValueError(f'focus is a probability, got {focus}')
        self.size = int(size[0]), int(size[1])
        self.span = float(span[0]), float(span[1])
        self.by_focal_length = focal is not None
        self.focus = focus
        self.class_weights = None if class_weights is None else np.asarray(class_weights, float)
        self.min_visible = min_visible
        self.rng = rng

    def __call__(self, results: dict) -> dict:
        """Replaces the image by the window; boxes, centres and ``img2net`` follow."""
        window = self._draw(results)
        rows = slice(window.top, window.top + window.height)
        columns = slice(window.left, window.left + window.width)
        shrinks = self.size[0] < window.width
        image = mmcv.imresize(
            np.ascontiguousarray(results['img'][rows, columns]),
            self.size,
            interpolation='area' if shrinks else 'bilinear',
        )
        factors = np.array([self.size[0] / window.width, self.size[1] / window.height])
        matrix = np.diag([*factors, 1.0])
        matrix[:2, 2] = -factors * [window.left, window.top]
        mapped = map_results(results, image, matrix)
        return drop_hidden(mapped, self.min_visible) if 'gt_bboxes' in results else mapped

    def _draw(self, results: dict) -> Window:
        rng = self.rng or np.random
        height, width = results['img'].shape[:2]
        zoom = np.exp(rng.uniform(*np.log(self.span)))
        if self.by_focal_length:
            zoom /= focal_length(results)
        zoom = max(zoom, self.size[0] / width, self.size[1] / height)
        extent = np.minimum(np.round(np.array(self.size) / zoom), [width, height]).astype(int)
        room = np.array([width, height]) - extent
        corner = rng.uniform(size=2) * room
        bboxes = results.get('gt_bboxes', np.zeros((0, 4)))
        if len(bboxes) and rng.uniform() < self.focus:
            chosen = bboxes[self._choose(results['gt_labels'], rng)]
            # The object's centre anywhere in the inner part of the window.
            inside = rng.uniform(0.2, 0.8, size=2)
            corner = chosen.reshape(2, 2).mean(axis=0) - inside * extent
        left, top = np.clip(np.round(corner), 0, room).astype(int)
        return Window(left, top, *extent)

    def _choose(self, labels: np.ndarray, rng) -> int:
        """Index of the object to look at."""
        if self.class_weights is None:
            return int(rng.uniform() * len(labels))
        weights = np.cumsum(self.class_weights[labels])
        return int(np.searchsorted(weights, rng.uniform() * weights[-1], side='right'))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, '
            f'{"focal" if self.by_focal_length else "zoom"}={self.span}, focus={self.focus})'
        )

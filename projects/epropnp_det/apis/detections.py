"""Typed detections of one image: plain arrays, documented shapes and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..boxes.instances import velocities_from_instance
from ..datasets.submission import ATTRIBUTES
from ..visualization import CameraView, Objects, project_boxes_2d
from .results import to_objects

__all__ = ['CONVENTIONS', 'ImageDetections']

CONVENTIONS = {
    'frame': 'camera: x right, y down, z forward, metres',
    'center': 'geometric centre of the box',
    'dimensions': 'length, height, width in metres',
    'yaw': 'radians about +y; 0 looks along +x, -pi/2 away from the camera',
    'velocity': 'x and z in m/s',
    'pose_cov': 'covariance of [x, y, z, yaw]',
}
_PER_IMAGE = ('class_names', 'cam2img', 'image_size', 'maps')


@dataclass(frozen=True)
class ImageDetections:
    """Objects found in one image, ``n`` of them, best first.

    Camera frame: x right, y down, z forward, metres; pixels of the original image count from its
    edge; yaw in radians about +y (docs/method.md 0).

    Attributes:
        boxes: ``[l, h, w, x, y, z, yaw]``, geometric centre, (n, 7).
        labels: Class indices, (n,).
        scores: In [0, 1], (n,).
        velocities: x and z in m/s, NaN where unknown, (n, 2).
        attributes: Attribute index of nuScenes, -1 where unknown, (n,).
        pose_cov: Covariance of ``[x, y, z, yaw]``, (n, 4, 4); None for detectors that have none.
        class_names: Names of the classes.
        cam2img: Intrinsics of the image, (3, 3).
        image_size: Width and height in pixels.
        samples: Posterior poses ``[x, y, z, yaw]``, (n, S, 4); None unless asked for.
        log_weights: Their unnormalised log-weights, (n, S).
        ess: Effective sample size in [1, S], (n,). Near 1 the samples say nothing.
        x3d: Object-frame points in metres, (n, N, 3); None unless asked for.
        x2d: Their image points in pixels, (n, N, 2).
        w2d: Their weights per axis, (n, N, 2).
        maps: Dense maps by name, None unless asked for: ``scores`` (h, w) and ``score2img`` (3, 3),
            and ``depth``, ``depth2img`` where the model has a depth branch.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    velocities: np.ndarray
    attributes: np.ndarray
    pose_cov: np.ndarray | None
    class_names: tuple[str, ...]
    cam2img: np.ndarray
    image_size: tuple[int, int]
    samples: np.ndarray | None = None
    log_weights: np.ndarray | None = None
    ess: np.ndarray | None = None
    x3d: np.ndarray | None = None
    x2d: np.ndarray | None = None
    w2d: np.ndarray | None = None
    maps: dict[str, np.ndarray] | None = None

    @classmethod
    def from_result(
        cls,
        result: dict,
        class_names: Sequence[str],
        cam2img: np.ndarray,
        image_size: tuple[int, int],
    ) -> ImageDetections:
        """Unpacks one entry of a detector's results, best first.

        Args:
            result: As mmdet3d's detectors return it, with or without ``img_bbox`` around it.
            class_names: Names of the classes.
            cam2img: Intrinsics of the image, (3, 3).
            image_size: Width and height in pixels.
        """
        found = result.get('img_bbox', result)
        objects = to_objects(found)
        order = np.argsort(-objects.scores, kind='stable')
        boxes, labels, scores = objects.select(order)
        extras = {
            name: _array(found[key])[order]
            for name, key in _OPTIONAL.items()
            if found.get(key) is not None
        }
        attributes = found.get('attrs_3d')
        maps = result.get('maps')
        return cls(
            boxes=boxes,
            labels=labels,
            scores=scores,
            velocities=_array(velocities_from_instance(found['boxes_3d']))[order],
            attributes=(
                np.full(len(order), -1) if attributes is None else _array(attributes)[order]
            ),
            class_names=tuple(class_names),
            cam2img=np.asarray(cam2img, dtype=np.float64)[:3, :3],
            image_size=(int(image_size[0]), int(image_size[1])),
            maps=None if maps is None else {name: _array(value) for name, value in maps.items()},
            **{'pose_cov': None, **extras},
        )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def objects(self) -> Objects:
        """Boxes, labels and scores, as the views take them."""
        return Objects(self.boxes, self.labels, self.scores)

    @property
    def bboxes(self) -> np.ndarray:
        """Projected boxes x1 y1 x2 y2, cut to the image, zeros where nothing shows, (n, 4)."""
        return project_boxes_2d(self.boxes, self.cam2img, self.image_size)[0]

    def select(self, keep: np.ndarray) -> ImageDetections:
        """The detections that ``keep`` (bool mask or indices) names."""
        per_object = (field.name for field in fields(self) if field.name not in _PER_IMAGE)
        values = {name: getattr(self, name) for name in per_object}
        return replace(
            self, **{name: value[keep] for name, value in values.items() if value is not None}
        )

    def above(self, score_thr: float) -> ImageDetections:
        """The detections that score at least ``score_thr``."""
        return self.select(self.scores >= score_thr)

    def rescaled(self, factor: float) -> ImageDetections:
        """The same objects seen by a camera with ``factor`` times as many pixels per axis."""
        scale = np.diag([factor, factor, 1.0])
        maps = self.maps and {
            name: scale @ value if name.endswith('2img') else value
            for name, value in self.maps.items()
        }
        return replace(
            self,
            cam2img=scale @ self.cam2img,
            image_size=(round(factor * self.image_size[0]), round(factor * self.image_size[1])),
            x2d=None if self.x2d is None else factor * self.x2d,
            maps=maps,
        )

    def view(self, image: np.ndarray, **frame) -> CameraView:
        """What ``epropnp_det.visualization`` draws.

        Args:
            image: The image, BGR uint8, (H, W, 3).
            **frame: Further fields of :class:`CameraView`: ``cam2ego``, ``ground_truth``, ``name``.
        """
        return CameraView(
            image=image,
            cam2img=self.cam2img,
            objects=self.objects,
            samples=self.samples,
            log_weights=self.log_weights,
            **frame,
        )

    def records(self) -> list[dict[str, object]]:
        """The detections as json records; see ``CONVENTIONS``."""
        return [self._record(index) for index in range(len(self))]

    def _record(self, index: int) -> dict[str, object]:
        label, attribute = int(self.labels[index]), int(self.attributes[index])
        known = label < len(self.class_names)
        record: dict[str, object] = {
            'class': self.class_names[label] if known else str(label),
            'score': round(float(self.scores[index]), 5),
            'center': _rounded(self.boxes[index, 3:6]),
            'dimensions': _rounded(self.boxes[index, :3]),
            'yaw': round(float(self.boxes[index, 6]), 4),
        }
        if np.isfinite(self.velocities[index]).all():
            record['velocity'] = _rounded(self.velocities[index])
        if attribute >= 0:
            named = attribute < len(ATTRIBUTES)
            record['attribute'] = ATTRIBUTES[attribute] if named else str(attribute)
        if self.pose_cov is not None and np.isfinite(self.pose_cov[index]).all():
            record['pose_cov'] = [_rounded(row, 6) for row in self.pose_cov[index]]
        if self.ess is not None:
            record['ess'] = round(float(self.ess[index]), 1)
        return record


_OPTIONAL = {
    'pose_cov': 'pose_cov_3d',
    'samples': 'samples_3d',
    'log_weights': 'log_weights_3d',
    'ess': 'ess_3d',
    'x3d': 'x3d',
    'x2d': 'x2d',
    'w2d': 'w2d',
}


def _array(value: object) -> np.ndarray:
    """A tensor of any device, or an array, as an array."""
    return np.asarray(value.detach().cpu() if hasattr(value, 'detach') else value)


def _rounded(values: np.ndarray, digits: int = 4) -> list[float]:
    return [round(float(value), digits) for value in values]

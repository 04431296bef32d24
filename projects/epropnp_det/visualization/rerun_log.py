"""Detections over time for the Rerun viewer (rerun.io), which shows them in 3D in a browser.

Needs the optional package ``rerun-sdk``: ``pip install "epropnp-det[rerun]"``. It writes data;
``rerun FILE.rrd --web-viewer`` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from ..boxes.arrays import box_corners
from .palette import GROUND_TRUTH_COLOR, class_color
from .values import CameraView, Objects

MAX_SAMPLES = 256
"""Posterior samples of an object that are logged; the heaviest."""
_LOOP = [0, 1, 2, 3, 0, 4, 5, 6, 7, 4]


def require_rerun() -> ModuleType:
    """Imports the SDK.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import rerun
    except ImportError as error:
        raise ImportError(
            '--rerun needs the Rerun SDK: pip install "epropnp-det[rerun]" (or rerun-sdk)'
        ) from error
    return rerun


class RerunLog:
    """Writes an ``.rrd`` file: cameras, images, boxes, truth, velocities, points, posteriors.

    Everything is in the ego frame (x forward, y left, z up) below ``world``; use it in a ``with``
    block.

    Args:
        path: File to write.
        class_names: Names of the classes.
        name: Application that the viewer shows.

    Raises:
        ImportError: If the SDK is not installed.
        OSError: If the file cannot be written.
    """

    def __init__(
        self, path: str | Path, class_names: Sequence[str], name: str = 'EPro-PnP-Det'
    ) -> None:
        self.rr = require_rerun()
        self.class_names = class_names
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open('ab').close()
        self.stream = self.rr.new_recording(name, make_default=False, make_thread_default=False)
        self.rr.save(str(self.path), recording=self.stream)
        self._log('world', self.rr.ViewCoordinates.FLU, static=True)
        classes = [
            self.rr.AnnotationInfo(id=i, label=label, color=class_color(i)[::-1])
            for i, label in enumerate(class_names)
        ]
        self._log('world', self.rr.AnnotationContext(classes), static=True)

    def __enter__(self) -> RerunLog:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.rr.disconnect(recording=self.stream)

    def log_sample(
        self, seconds: float, views: Sequence[CameraView], found: Sequence[Any] | None = None
    ) -> None:
        """Logs the cameras of one moment.

        Args:
            seconds: On the time line.
            views: The cameras with what was found in them.
            found: Per camera something with ``x3d``, ``w2d`` (n, N, ...) or None in these fields,
                such as ``ImageDetections``, for the 3D points; None leaves them out.
        """
        self.rr.set_time_seconds('time', seconds, recording=self.stream)
        for index, view in enumerate(views):
            points = None if found is None else found[index]
            self._log_view(f'world/{view.name or index}', view, points)

    def _log_view(self, place: str, view: CameraView, points: Any) -> None:
        rr, (height, width) = self.rr, view.image.shape[:2]
        cam2ego = np.asarray(view.cam2ego, dtype=np.float64)
        self._log(place, rr.Transform3D(translation=cam2ego[:3, 3], mat3x3=cam2ego[:3, :3]))
        lens = rr.Pinhole(
            image_from_camera=view.cam2img,
            resolution=[width, height],
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=3.0,
        )
        self._log(f'{place}/image', lens)
        image = rr.Image(cv2.cvtColor(view.image, cv2.COLOR_BGR2RGB)).compress(85)
        self._log(f'{place}/image', image)
        self._log(f'{place}/detections', self._boxes(view.objects))
        if view.ground_truth is not None:
            truth = self._boxes(view.ground_truth, GROUND_TRUTH_COLOR)
            self._log(f'{place}/ground_truth', truth)
        if view.samples is not None:
            self._log(f'{place}/posterior', self._posterior(view))
        velocities = getattr(points, 'velocities', None)
        if velocities is not None:
            self._log(f'{place}/velocity', self._velocities(view.objects, velocities))
        if points is not None and points.x3d is not None:
            self._log(f'{place}/points', self._points(view.objects, points.x3d, points.w2d))

    def _boxes(self, objects: Objects, color: Sequence[int] | None = None) -> Any:
        """Wireframes and a line to the front, in the camera frame."""
        corners = box_corners(objects.boxes)  # (n, 8, 3)
        strips, ids, labels = [], [], []
        for box, label in zip(corners, objects.labels):
            sides = [box[[i, i + 4]] for i in range(1, 4)]
            strips += [box[_LOOP], *sides]
            ids += [int(label)] * 4
            labels += [self.class_names[label], '', '', '']
        colors = None if color is None else [list(color[::-1])] * len(strips)
        return self.rr.LineStrips3D(
            strips, class_ids=ids if color is None else None, colors=colors, labels=labels,
            show_labels=False,
        )  # fmt: skip

    def _posterior(self, view: CameraView) -> Any:
        """The heaviest samples of each object, the more opaque the heavier."""
        positions, colors = [np.zeros((0, 3))], [np.zeros((0, 4))]
        for samples, weights, label in zip(view.samples, view.log_weights, view.objects.labels):
            heavy = np.argsort(-weights)[:MAX_SAMPLES]
            share = np.exp(weights[heavy] - weights[heavy[0]])
            paint = np.tile([*class_color(int(label))[::-1], 255.0], (len(heavy), 1))
            paint[:, 3] = np.clip(255 * share, 10, 255)
            positions.append(samples[heavy, :3])
            colors.append(paint)
        return self.rr.Points3D(
            np.concatenate(positions),
            colors=np.concatenate(colors).astype(np.uint8),
            radii=0.05,
        )

    def _velocities(self, objects: Objects, velocities: np.ndarray) -> Any:
        known = np.isfinite(velocities).all(axis=1)
        vectors = np.stack([velocities[:, 0], np.zeros(len(velocities)), velocities[:, 1]], axis=1)
        return self.rr.Arrows3D(
            origins=objects.boxes[known, 3:6],
            vectors=vectors[known],
            class_ids=objects.labels[known].astype(np.uint16),
            show_labels=False,
        )

    def _points(self, objects: Objects, x3d: np.ndarray, w2d: np.ndarray) -> Any:
        """Object points at the solved poses, the larger the heavier."""
        cosine, sine = np.cos(objects.boxes[:, 6]), np.sin(objects.boxes[:, 6])
        rotation = np.zeros((len(cosine), 3, 3))
        rotation[:, 0, 0], rotation[:, 0, 2] = cosine, sine
        rotation[:, 1, 1] = 1
        rotation[:, 2, 0], rotation[:, 2, 2] = -sine, cosine
        placed = x3d @ rotation.transpose(0, 2, 1) + objects.boxes[:, None, 3:6]
        weight = w2d.mean(axis=2)
        share = weight / np.maximum(weight.mean(axis=1, keepdims=True), 1e-12)
        ids = np.repeat(objects.labels, x3d.shape[1]).astype(np.uint16)
        return self.rr.Points3D(
            placed.reshape(-1, 3),
            radii=0.03 * np.sqrt(np.clip(share, 0.2, 6)).reshape(-1),
            class_ids=ids,
            show_labels=False,
        )

    def _log(self, place: str, value: Any, static: bool = False) -> None:
        self.rr.log(place, value, static=static, recording=self.stream)

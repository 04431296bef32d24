"""What the views draw: small values without any network type in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEVEL_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""Camera -> ego frame of a level camera that looks ahead."""


class Objects(NamedTuple):
    """Detections or ground truth of one image.

    Attributes:
        boxes: ``[l, h, w, x, y, z, yaw]`` in the camera frame, geometric centre, (n, 7).
        labels: Class indices, (n,).
        scores: (n,), or None for ground truth.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None

    def select(self, keep: np.ndarray) -> Objects:
        """The objects that ``keep`` (bool mask or indices) names."""
        scores = None if self.scores is None else self.scores[keep]
        return Objects(self.boxes[keep], self.labels[keep], scores)

    def above(self, score_thr: float) -> Objects:
        """The objects that score at least ``score_thr``; all where there is no score."""
        return self if self.scores is None else self.select(self.scores >= score_thr)


class CameraView(NamedTuple):
    """One camera of a frame and what was found in its image.

    Attributes:
        image: BGR uint8, (H, W, 3).
        cam2img: Intrinsics, (3, 3).
        objects: Detections.
        cam2ego: Camera -> ego frame (x forward, y left, z up), rigid, (4, 4); by default level, at
            the origin and looking ahead.
        ground_truth: Annotated objects, or None.
        name: For example ``CAM_FRONT``.
        samples: Posterior poses ``[x, y, z, yaw]`` of each detection, (n, S, 4), or None.
        log_weights: Their unnormalised log-weights, (n, S); with ``samples``.
    """

    image: np.ndarray
    cam2img: np.ndarray
    objects: Objects
    cam2ego: np.ndarray = LEVEL_CAMERA
    ground_truth: Objects | None = None
    name: str = ''
    samples: np.ndarray | None = None
    log_weights: np.ndarray | None = None

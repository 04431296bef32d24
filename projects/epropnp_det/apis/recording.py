"""Detection along the samples of a recording, and its log for the Rerun viewer (rerun.io)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import nn

from ..visualization import CameraView
from ..visualization.rerun_log import RerunLog
from .detections import ImageDetections
from .frames import Frame
from .inference import detect, uses_mounting

__all__ = ['detect_samples', 'mounting_for', 'record_samples']

KEYFRAME_RATE = 2.0
"""Samples per second of nuScenes."""


def detect_samples(
    model: nn.Module,
    samples: Iterable[Sequence[Frame]],
    score_thr: float = 0.3,
    batch_size: int = 6,
    with_points: bool = False,
    with_truth: bool = True,
    loading: Mapping | None = None,
) -> Iterator[tuple[list[CameraView], list[ImageDetections]]]:
    """Detects in one sample after the other, with posteriors.

    Detectors that use it are told how the cameras are mounted.

    Args:
        model: From ``init_detector``.
        samples: Cameras of each sample, such as those of a ``Scene``.
        score_thr: Detections below are left out.
        batch_size: Images per forward pass.
        with_points: Whether to return the 2D-3D correspondences, too.
        with_truth: Whether the views get the annotated objects.
        loading: ``exif`` and ``value_range`` of the pipeline of the model.

    Yields:
        The cameras as the views take them, and the detections of each.
    """
    # What `apply` turns, its mounting does not know.
    upright = (loading or {}).get('exif') != 'apply'
    for frames in samples:
        images, cameras = zip(*(frame.load(**(loading or {})) for frame in frames))
        found = detect(
            model, images, cameras, batch_size, score_thr,
            with_samples=True, with_points=with_points,
            cam2ego=[mounting_for(model, frame) if upright else None for frame in frames],
        )  # fmt: skip
        views = [
            detections.view(
                image,
                cam2ego=frame.cam2ego,
                name=frame.camera or str(index),
                ground_truth=frame.ground_truth if with_truth else None,
            )
            for index, (frame, image, detections) in enumerate(zip(frames, images, found))
        ]
        yield views, found


def mounting_for(model: nn.Module, frame: Frame) -> np.ndarray | None:
    """How the camera of a frame is mounted, for ``detect``; None if the model does not use it."""
    return frame.mounting if uses_mounting(model) else None


def record_samples(
    path: str | Path,
    model: nn.Module,
    samples: Iterable[Sequence[Frame]],
    score_thr: float = 0.3,
    loading: Mapping | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Detects in samples and logs everything for the Rerun viewer, half a second apart.

    Args:
        path: The ``.rrd`` file to write.
        model: From ``init_detector``.
        samples: Cameras of each sample, in the order of time.
        score_thr: Detections below are left out.
        loading: ``exif`` and ``value_range`` of the pipeline of the model.
        on_progress: Called with 1 after each sample.

    Returns:
        How many samples there were.

    Raises:
        ImportError: If the Rerun SDK is not installed.
        OSError: If the file cannot be written.
    """
    count = 0
    with RerunLog(path, model.CLASSES) as log:
        stream = detect_samples(model, samples, score_thr, with_points=True, loading=loading)
        for views, found in stream:
            log.log_sample(count / KEYFRAME_RATE, views, found)
            count += 1
            if on_progress is not None:
                on_progress(1)
    return count

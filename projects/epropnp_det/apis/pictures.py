"""Writes pictures of results: one per image, and one per frame of six cameras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..inputs import write_image
from ..visualization import CameraView, draw_panel, draw_side_by_side, enlarged
from .frames import Frame
from .results import to_objects


def save_pictures(
    frames: Sequence[Frame],
    results: Sequence[dict],
    out_dir: str | Path,
    class_names: Sequence[str],
    score_thr: float = 0.3,
    max_samples: int | None = None,
    on_progress: Callable[[int], None] | None = None,
    loading: Mapping | None = None,
) -> list[Path]:
    """Draws results over their images, and from above with the ground truth in green.

    Args:
        frames: What ``read_frames`` gave.
        results: The detector's results, in the same order.
        out_dir: Gets ``<number>_<sample>.jpg`` (all cameras) and ``..._<camera>.jpg`` each.
        class_names: Names of the classes.
        score_thr: Detections below are not drawn.
        max_samples: Draw only that many samples, spread evenly; None draws all.
        on_progress: Called with the number of images just drawn.
        loading: ``exif`` and ``value_range`` of the pipeline that the results come from.

    Returns:
        The files written.

    Raises:
        ValueError: If there are not as many results as frames.
    """
    if len(frames) != len(results):
        raise ValueError(
            f'{len(results)} results for {len(frames)} images; they must be of the same ann_file'
        )
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    samples: dict[str, list[tuple[Frame, dict]]] = {}
    for frame, result in zip(frames, results):
        samples.setdefault(frame.sample, []).append((frame, result))
    written = []
    for index in evenly_spread(len(samples), max_samples):
        sample, group = list(samples.items())[index]
        views = [_view(frame, result, score_thr, loading or {}) for frame, result in group]
        name = f'{index:04d}_{sample[:8]}'
        for number, view in enumerate(views):
            path = out_dir / f'{name}_{view.name or number}.jpg'
            written.append(write_image(path, draw_side_by_side(enlarged(view), class_names)))
        if len(views) > 1:
            written.append(write_image(out_dir / f'{name}.jpg', draw_panel(views, class_names)))
        if on_progress is not None:
            on_progress(len(views))
    return written


def evenly_spread(count: int, wanted: int | None) -> list[int]:
    """Indices of ``wanted`` of ``count`` things, first and last included; all where None."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return np.unique(np.linspace(0, count - 1, max(wanted, 0)).round().astype(int)).tolist()


def _view(frame: Frame, result: dict, score_thr: float, loading: Mapping) -> CameraView:
    image, cam2img = frame.load(**loading)
    return CameraView(
        image=image,
        cam2img=cam2img,
        cam2ego=frame.cam2ego,
        objects=to_objects(result, score_thr),
        ground_truth=frame.ground_truth,
        name=frame.camera,
    )

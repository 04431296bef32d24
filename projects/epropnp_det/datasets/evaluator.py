"""nuscenes-devkit's evaluator on any samples, any cameras, and by distance."""

from __future__ import annotations

import contextlib
import copy
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from nuscenes import NuScenes
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.common.loaders import (
    add_center_dist,
    filter_eval_boxes,
    load_gt_of_sample_tokens,
    load_prediction_of_sample_tokens,
)
from nuscenes.eval.detection.config import DetectionConfig
from nuscenes.eval.detection.data_classes import (
    DetectionBox,
    DetectionMetricDataList,
    DetectionMetrics,
)
from nuscenes.eval.detection.evaluate import NuScenesEval
from nuscenes.utils.data_classes import Box
from nuscenes.utils.geometry_utils import BoxVisibility, box_in_image
from pyquaternion import Quaternion

Result = TypeVar('Result')


class RangeScores(NamedTuple):
    """Scores of what lies in one range of distances.

    Attributes:
        low: Least bird's-eye distance from the ego vehicle in metres.
        high: Distances are below this.
        counts: Number of annotated objects of each class.
        metrics: ``metrics_summary`` of the devkit. Its means count a class without objects as AP 0.
    """

    low: float
    high: float
    counts: dict[str, int]
    metrics: dict

    def value(self, name: str, key: str) -> float:
        """Mean AP (``ap``) or an error such as ``trans_err`` of a class; NaN without objects."""
        if not self.counts[name]:
            return float('nan')
        if key == 'ap':
            return float(self.metrics['mean_dist_aps'][name])
        return float(self.metrics['label_tp_errors'][name][key])

    def mean(self, key: str) -> float:
        """Mean of ``value`` over the classes where it is defined; NaN where it is nowhere."""
        values = [self.value(name, key) for name in self.counts]
        values = [value for value in values if np.isfinite(value)]
        return float(np.mean(values)) if values else float('nan')


class Evaluator(NuScenesEval):
    """The official evaluator, which also keeps its curves.

    Attributes:
        outcome: Metrics and curves of the last ``evaluate()``.
    """

    outcome: tuple[DetectionMetrics, DetectionMetricDataList]

    def evaluate(self) -> tuple[DetectionMetrics, DetectionMetricDataList]:
        """As the devkit's."""
        self.outcome = super().evaluate()
        return self.outcome

    def scores_within(self, low: float, high: float) -> RangeScores:
        """Scores with ground truth and detections restricted to a range of distances.

        A detection on the other side of the border than its object is a false positive there, and
        the object is missed: narrow ranges score lower than the whole.

        Args:
            low: Least bird's-eye distance from the ego vehicle in metres.
            high: Distances are below this.
        """

        def inside(_: str, box: DetectionBox) -> bool:
            return low <= box.ego_dist < high

        part = copy.copy(self)
        part.gt_boxes = _filtered(self.gt_boxes, inside)
        part.pred_boxes = _filtered(self.pred_boxes, inside)
        metrics, _ = NuScenesEval.evaluate(part)
        names = [box.detection_name for box in part.gt_boxes.all]
        counts = {name: names.count(name) for name in self.cfg.class_names}
        return RangeScores(low, high, counts, metrics.serialize())


class SampleEvaluator(Evaluator):
    """The evaluator for a list of samples instead of an official split.

    Args:
        tables: nuScenes tables.
        config: Evaluation configuration.
        result_path: The submission; it may hold more samples.
        sample_tokens: Samples to score.
        output_dir: Folder for the devkit's files.
        cameras: Count only objects that one of these cameras shows; None counts all.
    """

    def __init__(
        self,
        tables: NuScenes,
        config: DetectionConfig,
        result_path: str | Path,
        sample_tokens: Sequence[str],
        output_dir: str | Path,
        cameras: Sequence[str] | None = None,
    ) -> None:
        # Not super().__init__, which knows splits by name only. The steps are those of it.
        self.nusc, self.cfg, self.verbose = tables, config, False
        self.result_path, self.output_dir = str(result_path), str(output_dir)
        self.eval_set, self.plot_dir = 'custom', os.path.join(output_dir, 'plots')
        Path(self.plot_dir).mkdir(parents=True, exist_ok=True)
        predictions, self.meta = load_prediction_of_sample_tokens(
            self.result_path, config.max_boxes_per_sample, DetectionBox, list(sample_tokens)
        )
        truth = load_gt_of_sample_tokens(tables, list(sample_tokens), DetectionBox)
        if cameras is not None:
            truth = _filtered(truth, lambda token, box: is_shown(tables, token, box, cameras))
        boxes = []
        for part in (predictions, truth):
            part = add_center_dist(tables, part)
            empty = not any(part.boxes.values())  # which the devkit's filter cannot take
            boxes.append(part if empty else filter_eval_boxes(tables, part, config.class_range))
        self.pred_boxes, self.gt_boxes = boxes
        self.sample_tokens = self.gt_boxes.sample_tokens


def _filtered(boxes: EvalBoxes, keep: Callable[[str, DetectionBox], bool]) -> EvalBoxes:
    """The boxes for which ``keep(sample_token, box)`` holds; every sample stays."""
    result = EvalBoxes()
    for token in boxes.sample_tokens:
        result.add_boxes(token, [box for box in boxes[token] if keep(token, box)])
    return result


def is_shown(
    tables: NuScenes, sample_token: str, box: DetectionBox, cameras: Iterable[str]
) -> bool:
    """Whether one of the cameras of a sample shows a part of a box, by the devkit's test."""
    data = tables.get('sample', sample_token)['data']
    for camera in cameras:
        record = tables.get('sample_data', data[camera])
        sensor = tables.get('calibrated_sensor', record['calibrated_sensor_token'])
        seen = Box(box.translation, box.size, Quaternion(box.rotation))
        for pose in (tables.get('ego_pose', record['ego_pose_token']), sensor):
            seen.translate(-np.array(pose['translation']))
            seen.rotate(Quaternion(pose['rotation']).inverse)
        intrinsics, size = np.array(sensor['camera_intrinsic']), (record['width'], record['height'])
        if box_in_image(seen, intrinsics, size, BoxVisibility.ANY):
            return True
    return False


def silently(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Calls a function of the devkit that prints what our table says better."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return function(*args, **kwargs)

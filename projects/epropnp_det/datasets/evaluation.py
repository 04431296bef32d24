"""Scores of a submission file: nuscenes-devkit's evaluator and nothing else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nuscenes import NuScenes
from nuscenes.eval.detection.config import DetectionConfig
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.utils.splits import is_predefined_split
from terminaltables import AsciiTable

from ..inputs import read_text
from .evaluation_plots import save_errors_by_distance, save_precision_recall
from .evaluator import Evaluator, RangeScores, SampleEvaluator, silently
from .files import write_json
from .tables import split_name, split_samples

DEFAULT_SPLITS = {'v1.0-mini': 'mini_val', 'v1.0-trainval': 'val'}
ERROR_NAMES = {
    'trans_err': 'mATE',
    'scale_err': 'mASE',
    'orient_err': 'mAOE',
    'vel_err': 'mAVE',
    'attr_err': 'mAAE',
}


class Evaluation(NamedTuple):
    """What an evaluation gave.

    Attributes:
        metrics: The devkit's ``metrics_summary``.
        ranges: Scores by distance.
        plots: Pictures written.
    """

    metrics: dict
    ranges: tuple[RangeScores, ...] = ()
    plots: tuple[Path, ...] = ()


def evaluate_submission(
    result_path: str | Path,
    tables: NuScenes,
    split: str | Sequence[str],
    config: DetectionConfig,
    ranges: Sequence[tuple[float, float]] = (),
    cameras: Sequence[str] | None = None,
    render_curves: bool = False,
) -> Evaluation:
    """Runs the devkit's evaluator on a submission file.

    Args:
        result_path: The submission; metrics and plots are written beside it.
        tables: nuScenes tables.
        split: An official split, of which the file must hold exactly the samples, or any other that
            ``split_samples`` takes, of which the file must hold all.
        config: Evaluation configuration, usually ``detection_cvpr_2019``.
        ranges: Ranges of distance to score by themselves, metres.
        cameras: Count only objects that one of these cameras shows; None counts all around, as the
            benchmark does.
        render_curves: Whether to draw ``plots/*.png``.

    Raises:
        ValueError: If the file does not hold the samples of the split, the split has no object at
            all, a camera is unknown, or a range is none.
    """
    check_evaluation_options(tables, ranges, cameras)
    result_path = Path(result_path)
    submission = json.loads(read_text(result_path))
    tokens = check_split(tables, split, submission['results'], result_path)
    official = isinstance(split, str) and is_predefined_split(split)
    if not _has_objects(tables, tokens):
        raise ValueError(f'{split_name(split)} has no object of any class: nothing to score')
    official = official and cameras is None
    with tempfile.TemporaryDirectory() as folder:
        if not any(submission['results'][token] for token in tokens):
            remote = _with_remote_box(submission, tokens[0])
            path = write_json(Path(folder) / 'none.json', remote)
        else:
            path = result_path
        output = str(result_path.parent)

        def run() -> Evaluator:
            if official:
                return Evaluator(tables, config, str(path), split, output, verbose=False)
            return SampleEvaluator(tables, config, path, tokens, output, cameras)

        evaluator = silently(run)
    metrics = silently(evaluator.main, render_curves=False)
    scores = tuple(silently(evaluator.scores_within, *borders) for borders in ranges)
    plots = _plots(evaluator, metrics, result_path.parent / 'plots') if render_curves else ()
    return Evaluation(metrics, scores, plots)


def check_evaluation_options(
    tables: NuScenes, ranges: Sequence[tuple[float, float]], cameras: Sequence[str] | None
) -> None:
    """Checks ranges and cameras of an evaluation.

    Raises:
        ValueError: If a range is none, or the tables have no such camera.
    """
    for low, high in ranges:
        if not 0 <= low < high:
            raise ValueError(f'a range of distance goes from 0 or more upwards, not {low} - {high}')
    channels = [s['channel'] for s in tables.sensor if s['modality'] == 'camera']
    unknown = [camera for camera in cameras or () if camera not in channels]
    if unknown:
        raise ValueError(f'the tables know no cameras {unknown}; they know {sorted(channels)}')


def check_split(
    tables: NuScenes, split: str | Sequence[str], samples: Iterable[str], path: str | Path
) -> list[str]:
    """Tokens of the samples of a split, checked against those that a file holds.

    Args:
        tables: nuScenes tables, or their outline.
        split: An official split, of which the file must hold exactly the samples, or any other that
            ``split_samples`` takes, of which the file must hold all.
        samples: Tokens of the samples that the file holds.
        path: The file, for messages.

    Raises:
        ValueError: If the two do not fit.
    """
    tokens = [sample['token'] for sample in split_samples(tables, split)]
    exact = isinstance(split, str) and is_predefined_split(split)
    _check_samples(samples, tokens, Path(path), split, exact)
    return tokens


def _check_samples(
    results: Iterable[str],
    tokens: Sequence[str],
    path: Path,
    split: str | Sequence[str],
    exact: bool,
) -> None:
    given, expected = set(results), set(tokens)
    if not expected:
        raise ValueError(f'the tables hold no sample of {split_name(split)}')
    if expected - given or (exact and given - expected):
        raise ValueError(
            f'{path} cannot be scored on {split_name(split)}: it lacks {len(expected - given)} of '
            f'its {len(expected)} samples and has {len(given - expected)} others; use an '
            'annotation file of the whole split, or set eval_split to the split that the file holds'
        )


def _has_objects(tables: NuScenes, tokens: Sequence[str]) -> bool:
    """Whether some sample has an object of the ten classes; the devkit cannot do without."""
    records = (
        tables.get('sample_annotation', annotation)
        for token in tokens
        for annotation in tables.get('sample', token)['anns']
    )
    return any(category_to_detection_name(record['category_name']) for record in records)


def _plots(evaluator: Evaluator, metrics: dict, folder: Path) -> tuple[Path, ...]:
    """Precision-recall curves, and errors in steps of ten metres."""
    classes = evaluator.cfg.class_names
    reach = max(evaluator.cfg.class_range.values())
    steps = [(low, low + 10) for low in range(0, int(np.ceil(reach)), 10)]
    scores = [silently(evaluator.scores_within, *borders) for borders in steps]
    curves = evaluator.outcome[1]
    return (
        save_precision_recall(folder / 'precision_recall.png', curves, metrics, classes),
        save_errors_by_distance(folder / 'errors_by_distance.png', scores, classes),
    )


def _with_remote_box(submission: dict, token: str) -> dict:
    """An empty submission with one box that the evaluator's range filter removes at once.

    The evaluator cannot read a file without any box.
    """
    box = {
        'sample_token': token,
        'translation': [1e9, 1e9, 0.0],
        'size': [1.0, 1.0, 1.0],
        'rotation': [1.0, 0.0, 0.0, 0.0],
        'velocity': [0.0, 0.0],
        'detection_name': 'car',
        'detection_score': 0.0,
        'attribute_name': '',
    }
    return {**submission, 'results': {**submission['results'], token: [box]}}


def log_values(evaluation: Evaluation, classes: Sequence[str], prefix: str) -> dict[str, float]:
    """Metrics under the names that mmdet3d's ``NuScenesMonoDataset`` gives them.

    Args:
        evaluation: The evaluation; each of its ranges adds ``mAP_0-20m`` and the like.
        classes: Class names.
        prefix: Start of each name, such as ``img_bbox_NuScenes``.
    """
    metrics = evaluation.metrics
    values = {}
    for name in classes:
        for distance, value in metrics['label_aps'][name].items():
            values[f'{prefix}/{name}_AP_dist_{distance}'] = round(float(value), 4)
        for error, value in metrics['label_tp_errors'][name].items():
            values[f'{prefix}/{name}_{error}'] = round(float(value), 4)
    for error, value in metrics['tp_errors'].items():
        values[f'{prefix}/{ERROR_NAMES[error]}'] = round(float(value), 4)
    values[f'{prefix}/NDS'] = metrics['nd_score']
    values[f'{prefix}/mAP'] = metrics['mean_ap']
    for scores in evaluation.ranges:
        where = f'{scores.low:g}-{scores.high:g}m'
        for key, name in {'ap': 'mAP', **ERROR_NAMES}.items():
            values[f'{prefix}/{name}_{where}'] = round(scores.mean(key), 4)
    return values


def metrics_table(metrics: dict, classes: Sequence[str]) -> str:
    """Metrics as a table for the log: one row per class and one for the means."""
    rows = [['class', 'AP', 'ATE', 'ASE', 'AOE', 'AVE', 'AAE']]
    for name in classes:
        errors = metrics['label_tp_errors'][name]
        numbers = [metrics['mean_dist_aps'][name], *(errors[key] for key in ERROR_NAMES)]
        rows.append([name, *(f'{number:.3f}' for number in numbers)])
    means = [metrics['mean_ap'], *(metrics['tp_errors'][key] for key in ERROR_NAMES)]
    rows.append([f'mean, NDS {metrics["nd_score"]:.4f}', *(f'{number:.3f}' for number in means)])
    table = AsciiTable(rows)
    table.inner_footing_row_border = True
    return table.table


def ranges_table(ranges: Sequence[RangeScores], classes: Sequence[str]) -> str:
    """Scores by distance as a table for the log.

    Per class AP and, in brackets, the number of objects; then means over the classes that have
    objects in the range.
    """
    rows = [['class', *(f'{scores.low:g} - {scores.high:g} m' for scores in ranges)]]
    for name in classes:
        cells = [
            f'{s.value(name, "ap"):.3f} ({s.counts[name]})' if s.counts[name] else '-'
            for s in ranges
        ]
        rows.append([name, *cells])
    for key, name in {'ap': 'mAP', **ERROR_NAMES}.items():
        rows.append([name, *(f'{scores.mean(key):.3f}' for scores in ranges)])
    return AsciiTable(rows).table


def report(evaluation: Evaluation, classes: Sequence[str], title: str) -> str:
    """All that an evaluation has to say, for people."""
    parts = [f'{title}\n{metrics_table(evaluation.metrics, classes)}']
    if evaluation.ranges:
        table = ranges_table(evaluation.ranges, classes)
        parts.append(f'AP (objects) and means by distance\n{table}')
    if evaluation.plots:
        parts.append(f'plots: {", ".join(map(str, evaluation.plots))}')
    return '\n' + '\n\n'.join(parts)

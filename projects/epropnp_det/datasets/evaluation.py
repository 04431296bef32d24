"""Scores of a submission file: nuscenes-devkit's evaluator and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nuscenes import NuScenes
from nuscenes.eval.detection.config import DetectionConfig
from nuscenes.eval.detection.evaluate import NuScenesEval
from terminaltables import AsciiTable

from .files import write_json
from .tables import split_samples

DEFAULT_SPLITS = {'v1.0-mini': 'mini_val', 'v1.0-trainval': 'val'}
ERROR_NAMES = {
    'trans_err': 'mATE',
    'scale_err': 'mASE',
    'orient_err': 'mAOE',
    'vel_err': 'mAVE',
    'attr_err': 'mAAE',
}


def evaluate_submission(
    result_path: str | Path,
    tables: NuScenes,
    split: str,
    config: DetectionConfig,
    render_curves: bool = False,
) -> dict:
    """Runs the devkit's evaluator on a submission file.

    Args:
        result_path: The submission; metrics and plots are written beside it.
        tables: nuScenes tables.
        split: Name of the split.
        config: Evaluation configuration, usually ``detection_cvpr_2019``.
        render_curves: Whether the devkit shall draw its curves.

    Returns:
        The devkit's ``metrics_summary``.

    Raises:
        ValueError: If the file does not hold exactly the samples of the split.
    """
    result_path = Path(result_path)
    output_dir = result_path.parent
    submission = json.loads(result_path.read_text())
    given = set(submission['results'])
    expected = {sample['token'] for sample in split_samples(tables, split)}
    if given != expected:
        raise ValueError(
            f'{result_path} cannot be scored on {split}: it lacks {len(expected - given)} of its '
            f'{len(expected)} samples and has {len(given - expected)} others; use an annotation '
            'file of the whole split, or set eval_split to the split that the file holds'
        )
    with tempfile.TemporaryDirectory() as folder:
        if not any(submission['results'].values()):
            result_path = write_json(Path(folder) / 'none.json', _with_remote_box(submission))
        evaluator = NuScenesEval(
            tables,
            config=config,
            result_path=str(result_path),
            eval_set=split,
            output_dir=str(output_dir),
            verbose=False,
        )
        with contextlib.redirect_stdout(io.StringIO()):  # metrics_table says the same, to the log
            return evaluator.main(render_curves=render_curves)


def _with_remote_box(submission: dict) -> dict:
    """An empty submission with one box that the evaluator's range filter removes at once.

    The evaluator cannot read a file without any box.
    """
    token = next(iter(submission['results']))
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


def log_values(metrics: dict, classes: Sequence[str], prefix: str) -> dict[str, float]:
    """Metrics under the names that mmdet3d's ``NuScenesMonoDataset`` gives them.

    Args:
        metrics: ``metrics_summary`` of the devkit.
        classes: Class names.
        prefix: Start of each name, such as ``img_bbox_NuScenes``.
    """
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

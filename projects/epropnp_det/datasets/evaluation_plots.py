"""Pictures of an evaluation: precision against recall, and errors against distance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nuscenes.eval.detection.data_classes import DetectionMetricDataList

from .evaluator import RangeScores

ERROR_LABELS = {
    'trans_err': 'translation [m]',
    'scale_err': 'scale [1 - IoU]',
    'orient_err': 'orientation [rad]',
    'vel_err': 'velocity [m/s]',
    'attr_err': 'attribute [1 - accuracy]',
}
LEAST_SPAN = 0.1  # of an axis of errors, so that rounding is not blown up to look like a trend
COLORS = ('#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd')


def save_precision_recall(
    path: str | Path, curves: DetectionMetricDataList, metrics: dict, classes: Sequence[str]
) -> Path:
    """Draws the devkit's precision-recall curves, one panel per class.

    Args:
        path: The picture.
        curves: Curves of the evaluator.
        metrics: Its ``metrics_summary``.
        classes: Classes to draw.
    """
    columns = min(5, len(classes))
    rows = -(-len(classes) // columns)
    figure = _figure(3 * columns, 3.1 * rows)
    for number, name in enumerate(classes, 1):
        axes = figure.add_subplot(rows, columns, number)
        distances = sorted(distance for kind, distance in curves.md if kind == name)
        for distance, color in zip(distances, COLORS):
            data = curves[(name, distance)]
            label = f'{distance:g} m: {metrics["label_aps"][name][distance]:.3f}'
            axes.plot(data.recall, data.precision, color=color, label=label, linewidth=1.2)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_title(f'{name}, AP {metrics["mean_dist_aps"][name]:.3f}', fontsize=9)
        axes.set_xlabel('recall; AP within', fontsize=7)
        # below the panel, since the curves may run anywhere in it
        axes.legend(fontsize=6, ncol=2, loc='upper center', bbox_to_anchor=(0.5, -0.16))
        axes.set_ylabel('precision', fontsize=7)
    return _save(figure, path)


def save_errors_by_distance(
    path: str | Path, ranges: Sequence[RangeScores], classes: Sequence[str]
) -> Path:
    """Draws AP and the five errors of true positives against distance.

    Args:
        path: The picture.
        ranges: Scores of consecutive ranges.
        classes: Classes to draw; each where it has objects, and its number of them in a panel.
    """
    figure = _figure(15, 8)
    palette = _palette(len(classes))
    middles = [(scores.low + scores.high) / 2 for scores in ranges]
    ticks = [scores.low for scores in ranges] + [ranges[-1].high]
    panels = {'count': 'annotated objects', 'ap': 'AP', **ERROR_LABELS}
    for number, (key, label) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(2, 4, number)
        for name, color in zip(classes, palette):
            values = [s.counts[name] if key == 'count' else s.value(name, key) for s in ranges]
            axes.plot(middles, values, 'o-', color=color, label=name, markersize=3, linewidth=1)
        if key != 'count':
            means = [scores.mean(key) for scores in ranges]
            axes.plot(middles, means, 'k--', label='mean', linewidth=1.6)
        top = max(axes.get_ylim()[1], LEAST_SPAN)
        axes.set(xlabel='distance [m]', xticks=ticks, ylim=(0, 1.03 if key == 'ap' else top))
        axes.set_title(label, fontsize=10)
    handles, labels = axes.get_legend_handles_labels()
    figure.add_subplot(2, 4, 8).axis('off')
    figure.axes[-1].legend(handles, labels, loc='center', fontsize=9)
    return _save(figure, path)


def _palette(count: int) -> list[tuple]:
    return [colormaps['tab10'](index % 10) for index in range(count)]


def _figure(width: float, height: float) -> Figure:
    """A figure that touches neither pyplot nor a display."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: str | Path) -> Path:
    for axes in figure.axes:
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path

"""Accuracy over threshold: which share of the poses is better than what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .accuracy import ADD_THRESHOLDS, PIXEL_THRESHOLDS, POSE_THRESHOLDS
from .report import Errors

COLORS = ('#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#000000')
"""Okabe and Ito's, for every kind of sight."""
PANELS = (
    ('add', 'ADD(-S), diameters', 0.15, ADD_THRESHOLDS, 1.0),
    ('projection', 'projection, pixels', 20.0, PIXEL_THRESHOLDS, 1.0),
    ('rotation', 'rotation, degrees', 20.0, POSE_THRESHOLDS, 1.0),
    ('translation', 'translation, centimetres', 10.0, POSE_THRESHOLDS, 100.0),
)
"""Field of the errors, its name, largest threshold, marked thresholds, and factor of the unit."""


def accuracy_curve(errors: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """The steps of accuracy over threshold.

    Args:
        errors: Of all poses, infinite where one was missed, (n,).
        limit: Largest threshold.

    Returns:
        Thresholds from 0 to ``limit`` and the percentage of errors below or at each, (k,) both.
    """
    shown = np.sort(errors[errors <= limit])
    thresholds = np.concatenate([[0.0], shown, [limit]])
    below = 100 * np.arange(len(shown) + 1) / max(len(errors), 1)
    return thresholds, np.append(below, below[-1])


def save_accuracy_curves(path: str | Path, errors: Mapping[int, Errors]) -> Path:
    """Draws one curve per object and measure; dotted lines are the usual thresholds.

    Args:
        path: The picture.
        errors: Of each object, from ``result_errors``.
    """
    figure = Figure(figsize=(11, 3.2), dpi=150, layout='constrained')
    FigureCanvasAgg(figure)
    for number, (field, title, limit, marks, factor) in enumerate(PANELS, 1):
        axes = figure.add_subplot(1, len(PANELS), number)
        for mark in marks:
            axes.axvline(mark, color='0.75', linestyle=':', linewidth=0.8)
        for index, (obj_id, found) in enumerate(errors.items()):
            steps = accuracy_curve(factor * getattr(found, field), limit)
            color = COLORS[index % len(COLORS)]
            axes.step(*steps, where='post', color=color, linewidth=1.3, label=f'object {obj_id}')
        axes.set(xlim=(0, limit), ylim=(0, 101))
        axes.set_xlabel(title, fontsize=8)
        axes.tick_params(labelsize=7)
        if number == 1:
            axes.set_ylabel('poses below, %', fontsize=8)
            axes.legend(fontsize=7, loc='best')
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path

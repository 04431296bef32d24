"""Shares of poses whose error is below a threshold, in percent (docs/method_6dof.md 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ADD_THRESHOLDS = (0.02, 0.05, 0.1)  # of the diameter
PIXEL_THRESHOLDS = (2, 5, 10, 20)
POSE_THRESHOLDS = (2, 5, 10)  # degrees, and centimetres


def accuracy(errors: np.ndarray, threshold: float) -> float:
    """Share of errors strictly below a threshold, percent; zero without any error."""
    return 100 * float((errors < threshold).mean()) if len(errors) else 0.0


def area_under_curve(errors: np.ndarray, limit: float) -> float:
    """Mean accuracy over all thresholds in [0, limit], percent: the exact integral.

    The official code sums a thousand thresholds by Simpson's rule, whose last interval depends on
    SciPy's version; the difference is about 0.05 points.
    """
    return 100 * float(np.clip(1 - errors / limit, 0, 1).mean()) if len(errors) else 0.0


def distance_table(errors: np.ndarray, thresholds: Sequence[float], limit: float) -> list[float]:
    """AUC up to ``limit``, then the accuracies; a row of the official tables."""
    return [area_under_curve(errors, limit), *(accuracy(errors, t) for t in thresholds)]


def pose_table(degrees: np.ndarray, metres: np.ndarray) -> np.ndarray:
    """Accuracies of n degrees, n centimetres, and both.

    Returns:
        Rows: mean of n = 1..10, then n = 2, 5, 10. Columns: rotation, translation, both; (4, 3).
    """
    rows = np.array(
        [
            [
                accuracy(degrees, n),
                accuracy(metres, n / 100),
                accuracy(np.maximum(degrees, 100 * metres), n),
            ]
            for n in range(1, 11)
        ]
    )
    return np.concatenate([rows.mean(0)[None], rows[[n - 1 for n in POSE_THRESHOLDS]]])


def average_recall(errors: np.ndarray, limits: Sequence[float]) -> float:
    """Mean accuracy over thresholds, as BOP has it, percent."""
    return float(np.mean([accuracy(errors, limit) for limit in limits]))

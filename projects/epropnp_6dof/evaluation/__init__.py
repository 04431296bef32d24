"""Metrics of object poses (docs/method_6dof.md 6)."""

from .bop_csv import write_bop_csv
from .plots import save_accuracy_curves
from .report import accuracies, evaluate_results, result_errors

__all__ = [
    'accuracies',
    'evaluate_results',
    'result_errors',
    'save_accuracy_curves',
    'write_bop_csv',
]

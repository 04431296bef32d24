"""Metrics of object poses (docs/method_6dof.md 6)."""

from .bop_csv import write_bop_csv
from .report import evaluate_results, result_errors

__all__ = ['evaluate_results', 'result_errors', 'write_bop_csv']

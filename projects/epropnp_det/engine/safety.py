"""What a test run promises: nothing known beforehand fails after the work, and no work is lost."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv
from torch.utils.data import Dataset

__all__ = ['check_formatting', 'check_scoring', 'check_target', 'data_parts', 'kept_results']


def data_parts(dataset: Any) -> Iterator[Any]:
    """The data sets inside of wrappers such as ``ConcatDataset``."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner == [None]:
        yield dataset
        return
    for part in inner:
        yield from data_parts(part)


def check_scoring(dataset: Dataset, options: Mapping[str, Any]) -> None:
    """Checks that a data set will be able to score results.

    Args:
        dataset: The test data, possibly several in a wrapper.
        options: Arguments of ``dataset.evaluate`` beside the results.

    Raises:
        ValueError: If an option is unknown, or the data set says why it cannot.
        FileNotFoundError: If something that scoring needs is missing.
    """
    for part in data_parts(dataset):
        parameters = inspect.signature(part.evaluate).parameters
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        unknown = [] if takes_all else [name for name in options if name not in parameters]
        if unknown:
            known = ', '.join(name for name in parameters if name != 'results')
            raise ValueError(
                f'{type(part).__name__}.evaluate has no options {", ".join(unknown)} '
                f'(--eval-options, cfg.evaluation); it has {known}'
            )
        if hasattr(part, 'check_evaluation'):
            part.check_evaluation(**options)


def check_formatting(dataset: Dataset, options: Mapping[str, Any]) -> None:
    """Checks that a data set will be able to write a submission.

    Args:
        dataset: The test data.
        options: Arguments of ``dataset.format_results`` beside the results.

    Raises:
        ValueError: If it cannot, for instance since it is several in a wrapper.
    """
    if not hasattr(dataset, 'format_results'):
        raise ValueError(
            f'{type(dataset).__name__} cannot write a submission: give data.test one data set with '
            'one annotation file'
        )
    if hasattr(dataset, 'check_formatting'):
        dataset.check_formatting(**options)


def check_target(path: str | Path | None) -> None:
    """Checks that a file can be written, and makes its folder.

    Raises:
        ValueError: If it is a folder, or its folder cannot be made or written.
    """
    if path is None:
        return
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f'cannot make the folder of {path}: {error}') from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f'{path} cannot be written: it is a folder, or its folder is read only')


@contextlib.contextmanager
def kept_results(results: Sequence, saved: str | Path | None, folder: str | Path) -> Iterator[None]:
    """Writes results that would be lost when what follows fails, and says where.

    Args:
        results: Of all images.
        saved: File that they stand in already; None where in none.
        folder: Folder for ``results.pkl`` otherwise.
    """
    try:
        yield
    except BaseException:  # an interruption, too
        path = Path(saved) if saved else Path(folder) / 'results.pkl'
        if not saved:
            path.parent.mkdir(parents=True, exist_ok=True)
            mmcv.dump(list(results), str(path))
        print(
            f'what failed comes after the detection, whose results are in {path}; '
            f'tools/make_submission.py CONFIG --results {path} goes on from there'
        )
        raise

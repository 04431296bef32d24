"""A quiet start: what the packages beneath say at each import and no user can act on."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings

ANNOUNCEMENT = 'On January 1, 2023, MMCV will release'


def quiet_start() -> None:
    """Silences mmcv 1.x's announcement of its successor and torch's remark on a missing GPU.

    To be called before mmcv is imported. torch makes its remark when the module that mmcv needs is
    first imported, and never again.
    """
    warnings.filterwarnings('ignore', message=ANNOUNCEMENT, category=UserWarning)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(ImportError):
        importlib.import_module('torch.utils.cpp_extension')


def plain_warnings() -> None:
    """Lets commands print a warning as one line, without the source line that gave it."""

    def one_line(message: Warning | str, category: type[Warning], *_: object) -> str:
        return f'warning: {message}\n'

    warnings.formatwarning = one_line  # type: ignore[assignment]

"""`exec` as it was before Python 3.13, in the processes that build mmcv-full and mmdet3d.

Their setup.py reads the version by `exec` of version.py and takes it from `locals()`. From Python
3.13 on (PEP 667) an `exec` without namespaces writes into a copy of the function's variables, and
setup.py ends with `KeyError: '__version__'`. Python imports this module at its start where the
folder lies on PYTHONPATH, which the set-up sees to while it builds, and at no other time.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from types import CodeType
from typing import Any

builtin_exec = builtins.exec


def exec_in_caller(
    source: str | bytes | CodeType,
    globals: dict[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Execute, by default in the namespaces of the calling function, as `exec` once did."""
    if globals is None and locals is None:
        caller = sys._getframe(1)
        globals, locals = caller.f_globals, caller.f_locals
    builtin_exec(source, globals, locals, **options)


if sys.version_info >= (3, 13):
    builtins.exec = exec_in_caller  # type: ignore[assignment]

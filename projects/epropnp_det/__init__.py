"""EPro-PnP-Det for MMDetection3D, and the EPro-PnP layer for anyone.

`import epropnp_det` registers the detector, its data set and its pipelines with MMDetection3D;
`custom_imports = dict(imports=['epropnp_det'])` in a config does the same in every stock tool.

`epropnp_det.pnp` needs torch alone, so the package may be imported where the detector's stack is
not, or not rightly, installed:

* no package of the stack is installed: nothing is registered and nothing is said;
* one is missing or does not fit, and mmcv 1.x is at work in this process, as it is when a config
  loads the plugin: `StackError` names each of them and the command that mends it;
* the same without mmcv 1.x at work: a warning with the same words, and the layer stays usable.

`epropnp_det.models`, `.datasets`, `.engine` and `.apis` raise the `StackError` wherever the stack
is not complete.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .compatibility import (
    StackError,
    has_detector_stack,
    is_mmcv_running,
    require_detector_stack,
)
from .quiet import quiet_start
from .version import __version__

if TYPE_CHECKING:
    from .apis import ImageDetections, detect, detect_stream, init_detector

__all__ = [
    'ImageDetections',
    'StackError',
    '__version__',
    'detect',
    'detect_stream',
    'init_detector',
    'require_detector_stack',
]

_NEED_STACK = ('apis', 'datasets', 'engine', 'models')
_FROM_APIS = ('ImageDetections', 'detect', 'detect_stream', 'init_detector')


class _StackGuard(importlib.abc.MetaPathFinder):
    """Checks the stack before a sub-package that needs it is imported; finds nothing itself."""

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition('.')
        if package == __name__ and name in _NEED_STACK:
            require_detector_stack()
        return None


def _register() -> None:
    """Import the sub-packages that register their classes, or say why they cannot be."""
    if not has_detector_stack():
        return
    quiet_start()
    try:
        for name in ('models', 'datasets', 'apis'):
            importlib.import_module(f'{__name__}.{name}')
    except StackError as error:
        if is_mmcv_running():
            raise
        warnings.warn(str(error), stacklevel=3)


def __getattr__(name: str) -> Any:
    """Import a sub-package, or a name of the detector's API, when it is first asked for."""
    if name in _FROM_APIS:
        return getattr(importlib.import_module(f'{__name__}.apis'), name)
    if name in _NEED_STACK:
        return importlib.import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


sys.meta_path.insert(0, _StackGuard())
_register()

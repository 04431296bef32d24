"""mmcv's constructor of optimisers for Pythons that lack what it asks them for.

As soon as a config has ``paramwise_cfg``, mmcv 1.7.0 looks for its compiled operators by
``pkgutil.find_loader``, which Python 3.14 no longer has. The class here takes the place of the
stock one in mmcv's registry there, so that every config and script gets it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from mmcv.runner import OPTIMIZER_BUILDERS, DefaultOptimizerConstructor
from torch import nn
from torch.optim import Optimizer

__all__ = ['OptimizerConstructor']


class OptimizerConstructor(DefaultOptimizerConstructor):
    """mmcv's own, with ``pkgutil.find_loader`` as it was while it is called, and only then."""

    def __call__(self, model: nn.Module) -> Optimizer:
        """Returns the optimiser of the model's parameters."""
        with _find_loader():
            return super().__call__(model)


@contextmanager
def _find_loader() -> Iterator[None]:
    """Lets mmcv ask for a module by the old name; it looks at nothing but whether one is found."""
    if hasattr(pkgutil, 'find_loader'):
        yield
        return
    pkgutil.find_loader = find_spec
    try:
        yield
    finally:
        del pkgutil.find_loader


if not hasattr(pkgutil, 'find_loader'):
    OPTIMIZER_BUILDERS.register_module(
        'DefaultOptimizerConstructor', force=True, module=OptimizerConstructor
    )

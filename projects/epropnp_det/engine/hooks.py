"""Runner hooks: an optimiser step that survives NaN, and evaluation of datasets of mmdet3d."""

from __future__ import annotations

import math

import torch
from mmcv.runner import HOOKS, OptimizerHook
from mmdet.core import DistEvalHook, EvalHook
from mmdet.datasets import build_dataloader
from mmdet3d.datasets import build_dataset


@HOOKS.register_module()
class NanSafeOptimizerHook(OptimizerHook):
    """Skips the optimiser step of an iteration whose gradient is not finite.

    The official hook sets such gradients to zero and steps all the same, so that the moments of
    Adam decay and weight decay acts (docs/differences.md W2). Here no parameter changes, the event
    is counted and logged, and training ends with an error when it does not recover.

    Args:
        grad_clip: Arguments of ``torch.nn.utils.clip_grad_norm_``, or None for no clipping.
        max_consecutive: Skipped iterations in a row after which training stops.

    Attributes:
        skipped: Number of iterations skipped so far.
    """

    def __init__(self, grad_clip: dict | None = None, max_consecutive: int = 50) -> None:
        super().__init__(grad_clip=grad_clip)
        self.max_consecutive = max_consecutive
        self.skipped = 0
        self._consecutive = 0

    def after_train_iter(self, runner) -> None:
        """Backward, gradient norm, clipping, and the step where the norm is finite.

        Raises:
            RuntimeError: After ``max_consecutive`` skipped iterations in a row.
        """
        runner.optimizer.zero_grad()
        runner.outputs['loss'].backward()
        norm = self._clip(runner.model.parameters())
        if math.isfinite(norm):
            self._consecutive = 0
            runner.log_buffer.update({'grad_norm': norm}, runner.outputs['num_samples'])
            runner.optimizer.step()
            return
        runner.optimizer.zero_grad()
        self.skipped += 1
        self._consecutive += 1
        runner.logger.warning(
            f'iteration {runner.iter + 1}: gradient norm is {norm}, optimiser step skipped '
            f'({self.skipped} so far)'
        )
        if self._consecutive >= self.max_consecutive:
            raise RuntimeError(
                f'{self._consecutive} iterations in a row without a finite gradient: training '
                'has diverged. Lower optimizer.lr and resume from an earlier checkpoint.'
            )

    def _clip(self, parameters) -> float:
        grads = [p for p in parameters if p.requires_grad and p.grad is not None]
        if not grads:
            return 0.0
        options = dict(self.grad_clip or {'max_norm': math.inf})
        return float(torch.nn.utils.clip_grad_norm_(grads, **options))


def _loader(dataset: dict, loader: dict):
    return build_dataloader(build_dataset(dataset, {'test_mode': True}), **loader)


@HOOKS.register_module()
class Mono3DEvalHook(EvalHook):
    """mmdet's ``EvalHook`` with a dataset of mmdet3d's registry, built from configs.

    Args:
        dataset: Config of the validation dataset.
        loader: Arguments of ``mmdet.datasets.build_dataloader``.
        **kwargs: Arguments of ``EvalHook`` (interval, by_epoch, save_best, ...).
    """

    def __init__(self, dataset: dict, loader: dict, **kwargs) -> None:
        super().__init__(_loader(dataset, loader), **kwargs)


@HOOKS.register_module()
class DistMono3DEvalHook(DistEvalHook):
    """As ``Mono3DEvalHook``, for several processes."""

    def __init__(self, dataset: dict, loader: dict, **kwargs) -> None:
        super().__init__(_loader(dataset, loader), **kwargs)

"""The optimiser step: accumulated, clipped, and skipped where a number is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from mmcv.runner import HOOKS, Fp16OptimizerHook, OptimizerHook
from torch import Tensor, distributed, nn

from .bad_steps import BadStep, describe, save_bad_step
from .losses import LossLog


class Window(NamedTuple):
    """Iterations whose gradients make one step.

    Attributes:
        first: Whether the current iteration is the first one.
        last: Whether it is the last one, which steps.
        length: Number of iterations; fewer where an epoch or the run ends.
    """

    first: bool
    last: bool
    length: int


def current_window(runner: Any, size: int) -> Window:
    """The window of the runner's current iteration; windows start anew with each epoch."""
    if size == 1:
        return Window(True, True, 1)
    if runner.max_epochs is None:
        place, end = runner.iter, runner.max_iters
    else:
        place, end = runner.inner_iter, len(runner.data_loader)
    start = place - place % size
    length = min(size, end - start)
    return Window(place == start, place + 1 == start + length, length)


@HOOKS.register_module()
class NanSafeOptimizerHook(OptimizerHook):
    """Skips the optimiser step where the loss or the gradient is not finite.

    The official hook sets such gradients to zero and steps all the same, so that the moments of
    Adam decay and weight decay acts (docs/differences.md W2). Here no parameter and no buffer
    changes; the event is counted, logged with its losses and images, and saved for
    ``tools/replay_step.py``.
    Averaged gradients and losses are the same in all processes, so all skip alike without asking
    each other. The device is waited for once per step, for losses and gradient norm together.

    Args:
        grad_clip: Arguments of ``torch.nn.utils.clip_grad_norm_``, or None for no clipping.
        max_consecutive: Skipped steps in a row after which training stops.
        cumulative_iters: Iterations whose mean gradient makes one step.
        max_saved: Bad steps that are saved; later ones are only logged.
        scaling: mmcv's hook of float16 training, whose loss scale is taken over; the runner passes
            it where the config has ``fp16``.

    Attributes:
        skipped: Number of steps skipped so far.
    """

    def __init__(
        self,
        grad_clip: dict | None = None,
        max_consecutive: int = 50,
        cumulative_iters: int = 1,
        max_saved: int = 3,
        scaling: Fp16OptimizerHook | None = None,
    ) -> None:
        super().__init__(grad_clip=grad_clip)
        if cumulative_iters < 1:
            raise ValueError(f'cumulative_iters must be at least 1, got {cumulative_iters}')
        self.max_consecutive = max_consecutive
        self.cumulative_iters = cumulative_iters
        self.max_saved = max_saved
        self.loss_scaler = torch.cuda.amp.GradScaler(enabled=False)
        self._fixed_scale = None
        if scaling is not None:
            self.loss_scaler = scaling.loss_scaler
            self._fixed_scale = scaling._scale_update_param
        self.skipped = 0
        self._consecutive = 0
        self._batches: list[Any] = []
        self._buffers: list[tuple[Tensor, Tensor]] = []

    def before_run(self, runner: Any) -> None:
        """Takes the counts and the loss scale of the checkpoint that the run goes on from."""
        counts = runner.meta.get('bad_steps', {})
        self.skipped = counts.get('skipped', 0)
        self._consecutive = counts.get('consecutive', 0)
        if 'fp16' in runner.meta and self.loss_scaler.is_enabled():
            self.loss_scaler.load_state_dict(runner.meta['fp16']['loss_scaler'])

    def before_train_iter(self, runner: Any) -> None:
        """Remembers what the forward pass is about to change beside gradients."""
        window = current_window(runner, self.cumulative_iters)
        if window.first:
            self._batches = []
            self._buffers = [(buffer, buffer.clone()) for buffer in changing_buffers(runner.model)]
        if hasattr(runner.model, 'require_backward_grad_sync'):
            runner.model.require_backward_grad_sync = window.last

    def after_train_iter(self, runner: Any) -> None:
        """Backward, and at the end of a window gradient norm, clipping and step.

        Raises:
            RuntimeError: After ``max_consecutive`` skipped steps in a row.
        """
        window = current_window(runner, self.cumulative_iters)
        if window.first:
            runner.optimizer.zero_grad()
        self.loss_scaler.scale(runner.outputs['loss'] / window.length).backward()
        if self.max_saved > 0:
            self._batches.append(getattr(runner, 'data_batch', None))
        runner.gradients_pending = not window.last
        if not window.last:
            _log(runner)
            return
        self.loss_scaler.unscale_(runner.optimizer)
        norm, loss = _fetch(runner, self._clip(runner.model.parameters()))
        if math.isfinite(norm) and math.isfinite(loss):
            self._consecutive = 0
            _log(runner, grad_norm=norm)
            self.loss_scaler.step(runner.optimizer)
        else:
            self._skip(runner, norm, loss)
        self.loss_scaler.update(self._fixed_scale)
        self._remember(runner)
        self._stop_if_diverged()

    def _clip(self, parameters: Iterable[nn.Parameter]) -> Tensor:
        grads = [p for p in parameters if p.requires_grad and p.grad is not None]
        if not grads:
            return torch.zeros(())
        options = dict(self.grad_clip or {'max_norm': math.inf})
        return torch.nn.utils.clip_grad_norm_(grads, **options)

    def _skip(self, runner: Any, norm: float, loss: float) -> None:
        runner.optimizer.zero_grad()
        for buffer, before in self._buffers:
            buffer.copy_(before)
        self.skipped += 1
        self._consecutive += 1
        if self.loss_scaler.is_enabled() and math.isfinite(loss):
            runner.logger.info(
                f'iteration {runner.iter + 1}: gradient too large for the loss scale '
                f'{self.loss_scaler.get_scale():g}, which is lowered; step skipped'
            )
            return
        step = BadStep.of(runner, norm, self._batches)
        saved = None
        if self.skipped <= self.max_saved:
            saved = save_bad_step(runner, step)
        if runner.rank == 0:
            runner.logger.warning(
                f'iteration {runner.iter + 1}: {describe(step)}; optimiser step skipped '
                f'({self.skipped} so far)' + (f'; to look into it: {saved}' if saved else '')
            )

    def _remember(self, runner: Any) -> None:
        """Lets the next checkpoint know the counts and the loss scale."""
        counts = {'skipped': self.skipped, 'consecutive': self._consecutive}
        runner.meta['bad_steps'] = counts
        if self.loss_scaler.is_enabled():
            runner.meta['fp16'] = {'loss_scaler': self.loss_scaler.state_dict()}

    def _stop_if_diverged(self) -> None:
        if self._consecutive >= self.max_consecutive:
            raise RuntimeError(
                f'{self._consecutive} steps in a row without a finite loss and gradient: training '
                'has diverged. Lower optimizer.lr and resume from an earlier checkpoint, or look '
                'into the steps that were saved in work_dir/bad_steps.'
            )


def changing_buffers(model: nn.Module) -> list[Tensor]:
    """Buffers that a forward pass may change: those of modules in training mode."""
    return [
        buffer
        for module in model.modules()
        if module.training
        for buffer in module.buffers(recurse=False)
    ]


def _fetch(runner: Any, norm: Tensor) -> tuple[float, float]:
    """Gradient norm and loss as numbers that are the same in all processes."""
    values = runner.outputs.get('log_vars')
    if isinstance(values, LossLog):
        return values.fetch(norm)[0], values['loss']
    alone = not (distributed.is_available() and distributed.is_initialized())
    return float(norm), float(runner.outputs['loss']) if alone else 0.0


def _log(runner: Any, **more: float) -> None:
    """Puts values into the log that the runner has left to this hook."""
    values = runner.outputs.get('log_vars')
    logged = dict(values.items()) if isinstance(values, LossLog) else {}
    runner.log_buffer.update({**logged, **more}, runner.outputs['num_samples'])

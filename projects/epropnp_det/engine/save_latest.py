"""A checkpoint now and then, so that an interruption costs minutes and not an epoch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from mmcv.runner import HOOKS, Hook, master_only

from .saving import find_latest, remove_leftovers

NAME = 'last.pth'


@HOOKS.register_module()
class SaveLatestHook(Hook):
    """Overwrites ``last.pth`` every few minutes; ``latest.pth`` points to whatever is newest.

    Needs a runner that goes on in the middle of an epoch, :class:`ResumableEpochRunner`. The file
    is replaced in one step, so a kill at any moment costs the interval at most.

    Args:
        minutes: Between two checkpoints.
        interval: Iterations between two checkpoints, instead of ``minutes``.
    """

    def __init__(self, minutes: float = 10.0, interval: int | None = None) -> None:
        self.minutes = minutes
        self.interval = interval
        self._saved = time.monotonic()

    @master_only
    def before_run(self, runner: Any) -> None:
        """Cleans up after a run that was killed, and starts the clock."""
        remove_leftovers(runner.work_dir)
        self._saved = time.monotonic()

    @master_only
    def after_train_iter(self, runner: Any) -> None:
        """Saves when it is time, but never between iterations that make one step together."""
        if getattr(runner, 'gradients_pending', False):
            return
        if self.interval is not None:
            due = self.every_n_iters(runner, self.interval)
        else:
            due = time.monotonic() - self._saved >= 60 * self.minutes
        if due:
            runner.save_checkpoint(runner.work_dir, NAME)
            self._saved = time.monotonic()

    @master_only
    def after_run(self, runner: Any) -> None:
        """Removes the file where a later checkpoint has taken its place."""
        newest = find_latest(runner.work_dir)
        if newest is not None and newest.resolve().name != NAME:
            (Path(runner.work_dir) / NAME).unlink(missing_ok=True)

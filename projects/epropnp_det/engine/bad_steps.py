"""What went wrong in a training step, in words and in a file that can be replayed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmcv.parallel import DataContainer, is_module_wrapper
from torch import distributed

from .checkpoint_files import write_checkpoint
from .losses import LossLog
from .randomness import STEP, fold

FOLDER = 'bad_steps'


class BadStep(NamedTuple):
    """A step whose loss or gradient is not finite.

    Attributes:
        norm: Gradient norm.
        losses: Per process, names of the losses that are not finite.
        images: Per process, names of the images of the step.
        batches: Batches of this process.
    """

    norm: float
    losses: list[list[str]]
    images: list[list[str]]
    batches: list[Any]

    @classmethod
    def of(cls, runner: Any, norm: float, batches: Sequence[Any]) -> BadStep:
        """Collects what the processes know; all of them must call this."""
        names = [name for batch in batches for name in batch_names(batch)]
        known = [(_bad_losses(runner.outputs), names)]
        if distributed.is_available() and distributed.is_initialized():
            mine, known = known[0], [None] * distributed.get_world_size()
            distributed.all_gather_object(known, mine)
        losses, images = map(list, zip(*known))
        return cls(norm, losses, images, list(batches))


def _bad_losses(outputs: Mapping) -> list[str]:
    values = outputs.get('log_vars', {})
    if isinstance(values, LossLog):
        return values.bad_names()
    return [name for name, value in values.items() if not math.isfinite(value)]


def describe(step: BadStep) -> str:
    """One line: which losses, which images, and the gradient norm."""
    parts = []
    several = len(step.losses) > 1
    for rank, (losses, images) in enumerate(zip(step.losses, step.images)):
        if losses or not any(step.losses):
            place = f' in process {rank}' if several else ''
            what = f'{", ".join(losses)} not finite' if losses else 'all losses finite'
            parts.append(f'{what}{place} (images {", ".join(images) or "unknown"})')
    return f'gradient norm is {step.norm}; {"; ".join(parts)}'


def batch_names(batch: Any) -> list[str]:
    """Tokens of the images of a batch, or their files where the metas have no token."""
    metas = batch.get('img_metas') if isinstance(batch, Mapping) else None
    return [
        str(meta.get('sample_idx') or meta.get('filename') or 'unnamed') for meta in _leaves(metas)
    ]


def _leaves(metas: Any) -> list[dict]:
    if isinstance(metas, DataContainer):
        metas = metas.data
    if isinstance(metas, dict):
        return [metas]
    return [leaf for part in metas or () for leaf in _leaves(part)]


def save_bad_step(runner: Any, step: BadStep) -> str | None:
    """Writes the batches and the weights into ``work_dir/bad_steps``, one file per process.

    Returns:
        The command that replays the step, or None where the file could not be written.
    """
    rank = distributed.get_rank() if len(step.losses) > 1 else 0
    path = Path(runner.work_dir) / FOLDER / f'iter_{runner.iter + 1}_rank{rank}.pth'
    model = runner.model.module if is_module_wrapper(runner.model) else runner.model
    content = {
        'meta': {key: runner.meta.get(key) for key in ('config', 'seed')},
        'place': (runner.iter, rank),
        'autocast': getattr(runner, 'autocast', None),
        'batches': step.batches,
        'state_dict': {name: value.cpu() for name, value in model.state_dict().items()},
    }
    try:
        write_checkpoint(content, path, force=True)
    except OSError as error:
        runner.logger.warning(f'{path} could not be written: {error}')
        return None
    return f'python tools/replay_step.py {path}'


def replay_seed(content: Mapping) -> int:
    """The seed of the random numbers that a saved step has drawn."""
    iteration, rank = content['place']
    return fold(content['meta'].get('seed') or 0, STEP, iteration, rank)

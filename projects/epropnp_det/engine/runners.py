"""mmcv's runners, able to go on from any iteration as if they had never stopped."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch
from mmcv.parallel import is_module_wrapper
from mmcv.runner import (
    RUNNERS,
    EpochBasedRunner,
    Fp16OptimizerHook,
    Hook,
    IterBasedRunner,
    OptimizerHook,
)
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from .checkpoint_files import write_checkpoint
from .loader import BatchSampler, exact_loader
from .losses import LossLog
from .optimizer_hook import NanSafeOptimizerHook
from .param_groups import merge_groups, regrouped
from .randomness import STEP, fold, seed_everything
from .saving import link_latest


class _Resumable:
    """What both runners have in common.

    Randomness is a function of the seed, the iteration and the process (:mod:`.randomness`), so a
    checkpoint needs to know no more than the position; it is written in one step.

    Args:
        autocast: ``'bfloat16'`` or ``'float16'``: the forward pass runs under ``torch.autocast``;
            float16 is for GPUs and wants mmcv's ``fp16 = dict(loss_scale=...)`` in the config,
            which switches it on by itself. None: full precision.
        *args: As for mmcv's runner.
        **kwargs: As for mmcv's runner.
    """

    def __init__(self, *args: Any, autocast: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.meta = {} if self.meta is None else self.meta
        self.autocast = autocast
        self._done = 0  # batches of this epoch whose step is complete
        self._stepping = False  # the step of iteration self._iter is complete, but not counted yet
        single = isinstance(self.optimizer, Optimizer)
        self._order = merge_groups(self.optimizer) if single else []

    @property
    def seed(self) -> int:
        """The seed of the run; a run that goes on keeps that of its checkpoint."""
        return int(self.meta.get('seed') or 0)

    # ---- one step

    def _step(self, batch: Any, inner_iter: int, **kwargs: Any) -> None:
        self.data_batch = batch
        self._inner_iter = inner_iter
        seed_everything(fold(self.seed, STEP, self._iter, self.rank))
        self.call_hook('before_train_iter')
        with self._precision():
            self.run_iter(batch, train_mode=True, **kwargs)
        self._stepping = True
        self._done = inner_iter + 1
        self.call_hook('after_train_iter')
        self._stepping = False
        del self.data_batch
        self._iter += 1

    def run_iter(self, data_batch: Any, train_mode: bool, **kwargs: Any) -> None:
        """As mmcv's; losses that are still on the device are left to the optimiser hook."""
        step = self.model.train_step if train_mode else self.model.val_step
        self.outputs = step(data_batch, self.optimizer, **kwargs)
        values = self.outputs.get('log_vars')
        if values is not None and not (train_mode and isinstance(values, LossLog)):
            self.log_buffer.update(values, self.outputs['num_samples'])

    def _precision(self) -> contextlib.AbstractContextManager:
        if self.autocast is None:
            return contextlib.nullcontext()
        device = next(self.model.parameters()).device.type
        if device == 'cpu' and self.autocast == 'float16':
            raise ValueError("float16 needs a GPU; on a CPU use runner.autocast='bfloat16'")
        return torch.autocast(device, getattr(torch, self.autocast))

    # ---- hooks

    def register_optimizer_hook(self, optimizer_config: dict | Hook | None) -> None:
        """Puts :class:`NanSafeOptimizerHook` in the place of mmcv's own hooks.

        The stock scripts make mmcv's ``Fp16OptimizerHook`` where the config has ``fp16``.
        """
        hook = optimizer_config
        if isinstance(hook, dict):
            hook = {'type': 'NanSafeOptimizerHook', **hook}
        elif type(hook) is Fp16OptimizerHook:
            on_cpu = next(self.model.parameters()).device.type == 'cpu'
            self.autocast = self.autocast or ('bfloat16' if on_cpu else 'float16')
            hook = NanSafeOptimizerHook(hook.grad_clip, scaling=hook)
        elif type(hook) is OptimizerHook:
            hook = NanSafeOptimizerHook(hook.grad_clip)
        super().register_optimizer_hook(hook)

    # ---- checkpoints

    def save_checkpoint(
        self,
        out_dir: str,
        filename_tmpl: str | None = None,
        save_optimizer: bool = True,
        meta: dict | None = None,
        create_symlink: bool = True,
    ) -> None:
        """Writes a checkpoint that is complete or absent, and says exactly where training stands.

        A disk that is full is reported, and training goes on to the next checkpoint; the last
        checkpoint of a run is worth an error.

        Args:
            out_dir: Folder.
            filename_tmpl: Name, in which ``{}`` stands for the epoch or iteration.
            save_optimizer: Whether to include the optimiser, without which nothing goes on exactly.
            meta: More entries of the meta.
            create_symlink: Whether ``latest.pth`` shall point to the file.

        Raises:
            OSError: If the last checkpoint cannot be written.
        """
        place = self._place()
        name = self._checkpoint_name(filename_tmpl, place)
        model = self.model.module if is_module_wrapper(self.model) else self.model
        content = {
            'meta': {**(meta or {}), **self.meta, **place},
            'state_dict': {key: value.cpu() for key, value in model.state_dict().items()},
        }
        if save_optimizer and self.optimizer is not None:
            content['optimizer'] = self.optimizer.state_dict()
        try:
            write_checkpoint(content, Path(out_dir) / name, force=True)
        except OSError as error:
            if place['iter'] >= self._max_iters:
                raise
            self.logger.error(f'{name} could not be written: {error}; training goes on')
            return
        if create_symlink:
            link_latest(out_dir, name)

    def _place(self) -> dict:
        """Epoch, iteration, and how far this epoch has come."""
        finished = not self._stepping and self._done >= len(self.data_loader)
        return {
            'epoch': self._epoch + int(finished),
            'iter': self._iter + int(self._stepping),
            'batches_done': 0 if finished else self._done,
            'images_per_step': self.data_loader.batch_sampler.total,
        }

    def resume(
        self, checkpoint: str, resume_optimizer: bool = True, map_location: Any = 'cpu'
    ) -> None:
        """Goes on from a checkpoint, in the middle of an epoch too.

        Args:
            checkpoint: File that this runner or mmcv's wrote.
            resume_optimizer: Whether to load the state of the optimiser.
            map_location: As for ``torch.load``; tensors move to the model's device by themselves.
        """
        location = 'cpu' if map_location == 'default' else map_location
        content = self.load_checkpoint(checkpoint, map_location=location)
        meta = content['meta']
        self._epoch, self._iter = meta['epoch'], meta['iter']
        self._done = meta.get('batches_done', 0)
        self.meta = {**self.meta, **meta}
        if resume_optimizer and 'optimizer' in content:
            state = regrouped(content['optimizer'], self.optimizer, self._order)
            self.optimizer.load_state_dict(state)
        self.logger.info(f'resumed epoch {self._epoch}, iter {self._iter} of {checkpoint}')

    def _exact(self, loaders: list[DataLoader], workflow: list, endless: bool) -> list[DataLoader]:
        return [
            exact_loader(loader, self.seed, self.rank, self.world_size, endless)
            if flow[0] == 'train'
            else loader
            for loader, flow in zip(loaders, workflow)
        ]


@RUNNERS.register_module()
class ResumableEpochRunner(_Resumable, EpochBasedRunner):
    """``EpochBasedRunner`` that goes on bit for bit, by stock scripts and by ours.

    Checkpoints may be written in the middle of an epoch (``checkpoint_config.by_epoch = False``, or
    :class:`SaveLatestHook`). A run that goes on with another number of images per step, because
    there are more processes or larger batches, starts at the batch that holds the next image.
    """

    def run(
        self, data_loaders: list[DataLoader], workflow: list, *args: Any, **kwargs: Any
    ) -> None:
        """Runs all epochs of the workflow."""
        super().run(self._exact(data_loaders, workflow, False), workflow, *args, **kwargs)

    def train(self, data_loader: DataLoader, **kwargs: Any) -> None:
        """Runs an epoch, or what is left of it."""
        self.model.train()
        self.mode = 'train'
        self.data_loader = data_loader
        self._max_iters = self._max_epochs * len(data_loader)
        self._rescale(data_loader.batch_sampler)
        self.call_hook('before_train_epoch')
        data_loader.batch_sampler.epoch = self._epoch
        data_loader.batch_sampler.first = self._done
        for number, batch in enumerate(data_loader, start=self._done):
            self._step(batch, number, **kwargs)
        self.call_hook('after_train_epoch')
        self._epoch += 1
        self._done = 0

    def _rescale(self, sampler: BatchSampler) -> None:
        """Translates a position that was counted in steps of another size."""
        before = self.meta.get('images_per_step')
        if before in (None, sampler.total):
            return
        self._done = self._done * before // sampler.total
        self._iter = self._epoch * len(sampler) + self._done
        self.meta['images_per_step'] = sampler.total
        self.logger.info(
            f'steps have {sampler.total} images instead of {before}: going on at iteration '
            f'{self._iter}, batch {self._done} of epoch {self._epoch + 1}'
        )

    def _checkpoint_name(self, template: str | None, place: dict) -> str:
        # mmcv's hook gives no name: it wants epoch_{} after an epoch, iter_{} within one
        within = self._stepping
        number = place['iter'] if within else place['epoch']
        return (template or ('iter_{}.pth' if within else 'epoch_{}.pth')).format(number)


@RUNNERS.register_module()
class ResumableIterRunner(_Resumable, IterBasedRunner):
    """``IterBasedRunner`` that goes on bit for bit; see :class:`ResumableEpochRunner`."""

    def run(
        self, data_loaders: list[DataLoader], workflow: list, *args: Any, **kwargs: Any
    ) -> None:
        """Runs the workflow up to the last iteration."""
        loaders = self._exact(data_loaders, workflow, True)
        for loader, flow in zip(loaders, workflow):
            if flow[0] == 'train':
                loader.batch_sampler.first = self._iter
        super().run(loaders, workflow, *args, **kwargs)

    def train(self, data_loader: Any, **kwargs: Any) -> None:
        """Runs one iteration; the loader never ends."""
        self.model.train()
        self.mode = 'train'
        self.data_loader = data_loader
        self._step(next(data_loader), self._inner_iter, **kwargs)
        self._inner_iter += 1

    def _place(self) -> dict:
        return {'epoch': 0, 'iter': self._iter + int(self._stepping)}

    def _checkpoint_name(self, template: str | None, place: dict) -> str:
        return (template or 'iter_{}.pth').format(place['iter'])

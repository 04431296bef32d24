"""Predictions of a whole data set, by one process or by several, and the hook that scores them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import mmcv
import torch
from mmcv import Config
from mmcv.parallel import is_module_wrapper
from mmcv.runner import HOOKS, get_dist_info
from mmdet.core import EvalHook
from mmdet.datasets import build_dataloader
from mmdet3d.datasets import build_dataset
from torch import distributed, nn
from torch.utils.data import DataLoader, Dataset

from ..processors import available_processors
from ..progress import progress as progress_bar
from .parallel import to_device
from .safety import check_scoring, kept_results


def build_test_loader(dataset: Dataset, cfg: Config, distributed: bool = False) -> DataLoader:
    """A test set in its own order, with the options of ``cfg.data.test_dataloader``.

    Args:
        dataset: The test set.
        cfg: Config of the run; a shipped one may ask for the loader processes of a larger machine,
            of which there are no more than processors here.
        distributed: Whether several processes share the set.
    """
    options = {'samples_per_gpu': 1, 'workers_per_gpu': 2, **cfg.data.get('test_dataloader', {})}
    options['workers_per_gpu'] = min(options['workers_per_gpu'], available_processors())
    return build_dataloader(dataset, **{**options, 'dist': distributed, 'shuffle': False})


def forward(model: nn.Module, data: dict, **wanted: bool) -> list:
    """One forward pass of a collated test batch, on the device that the model is on.

    Args:
        model: The model in eval mode.
        data: Collated batch of a test pipeline.
        **wanted: What else the model shall return, for models that know such options.
    """
    device = next(model.parameters()).device
    with torch.no_grad():
        return model(return_loss=False, rescale=True, **to_device(data, device), **wanted)


def predict_dataset(
    model: nn.Module, loader: DataLoader, progress: bool = True, tmpdir: str | None = None
) -> list | None:
    """Runs a model over a test loader; several processes share the work.

    Args:
        model: The bare model; it is in eval mode meanwhile.
        loader: From ``build_dataloader`` with ``shuffle=False``, and with ``dist=True`` where there
            are several processes, so that each has its share.
        progress: Whether to show a bar with elapsed time and estimate.
        tmpdir: Folder that all processes see, through which results are collected; None sends them
            from process to process.

    Returns:
        Results in the order of the data set; None in all processes but the first.
    """
    rank, world_size = get_dist_info()
    bar = progress_bar(total=len(loader.dataset), title='detecting', show=progress and rank == 0)
    training = model.training
    model.eval()
    results: list = []
    done = 0
    for data in _batches(loader):
        found = forward(model, data)
        results += found
        done += min(len(found) * world_size, len(loader.dataset) - done)
        bar.update(done - bar.n)
    bar.close()
    model.train(training)
    return collect(results, len(loader.dataset), tmpdir)


def _batches(loader: DataLoader) -> Iterable[dict]:
    try:
        yield from loader
    except RuntimeError as error:
        if 'DataLoader worker' in str(error):
            raise RuntimeError(
                f'{error}; a loader process died, often of too little shared memory: '
                'try --cfg-options data.workers_per_gpu=0'
            ) from error
        raise


def collect(results: Sequence, size: int, tmpdir: str | None = None) -> list | None:
    """Brings the shares of all processes together in the order of the data set.

    mmdet's samplers deal the items out one by one and repeat the first ones at the end, so that
    all processes have equally many. mmdet's own ``collect_results_cpu`` needs a GPU.

    Args:
        results: Of this process.
        size: Of the data set.
        tmpdir: As for :func:`predict_dataset`.

    Returns:
        All results in the first process, None in the others.
    """
    rank, world_size = get_dist_info()
    if world_size == 1:
        return list(results)
    if tmpdir is None:
        parts = _through_sockets(list(results), rank, world_size)
    else:
        parts = _through_files(list(results), tmpdir, rank, world_size)
    if parts is None:
        return None
    return [result for row in zip(*parts) for result in row][:size]


def _through_sockets(results: list, rank: int, world_size: int) -> list | None:
    """Python objects travel by gloo, whatever the backend of the gradients is.

    A group of its own is made only where there is none: one that is torn down while the other
    processes leave can wait for its own thread for ever.
    """
    group = None if distributed.get_backend() == 'gloo' else distributed.new_group(backend='gloo')
    parts: list | None = [None] * world_size if rank == 0 else None
    distributed.gather_object(results, parts, group=group)
    if group is not None:
        distributed.destroy_process_group(group)
    return parts


def _through_files(results: list, tmpdir: str, rank: int, world_size: int) -> list | None:
    os.makedirs(tmpdir, exist_ok=True)
    name = [tempfile.mkdtemp(dir=tmpdir)] if rank == 0 else [None]
    distributed.broadcast_object_list(name)
    files = [Path(name[0]) / f'part_{index}.pkl' for index in range(world_size)]
    mmcv.dump(results, str(files[rank]))
    distributed.barrier()
    if rank != 0:
        return None
    parts = [mmcv.load(str(file)) for file in files]
    for file in files:
        file.unlink()
    Path(name[0]).rmdir()
    return parts


@HOOKS.register_module()
class EvaluationHook(EvalHook):
    """mmdet's ``EvalHook`` for any data set of mmdet3d's registry, device and number of processes.

    Args:
        dataset: Config of the validation data set.
        loader: Arguments of ``mmdet.datasets.build_dataloader``.
        tmpdir: As for :func:`predict_dataset`.
        check: Whether to make sure at once that the data set will be able to score results.
        **kwargs: Arguments of ``EvalHook`` (interval, by_epoch, save_best, ...).
    """

    def __init__(
        self,
        dataset: dict,
        loader: dict,
        tmpdir: str | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> None:
        data = build_dataset(dataset, {'test_mode': True})
        self.tmpdir = tmpdir
        super().__init__(build_dataloader(data, **loader), **kwargs)
        if check:  # before the first epoch, not after it
            check_scoring(data, self.eval_kwargs)

    def _do_evaluate(self, runner: Any) -> None:
        if not self._should_evaluate(runner):
            return
        model = runner.model.module if is_module_wrapper(runner.model) else runner.model
        _same_statistics(model)
        results = predict_dataset(model, self.dataloader, tmpdir=self.tmpdir)
        if results is None:
            return
        self.latest_results = results
        runner.log_buffer.output['eval_iter_num'] = len(self.dataloader)
        with kept_results(results, None, runner.work_dir):
            score = self.evaluate(runner, results)
        if self.save_best and score:
            self._save_ckpt(runner, score)


def _same_statistics(model: nn.Module) -> None:
    """Gives all processes the running statistics of the first one."""
    if get_dist_info()[1] == 1:
        return
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            distributed.broadcast(module.running_mean, 0)
            distributed.broadcast(module.running_var, 0)

"""Training of any network of mmdet3d's registry, on CPU and GPU, in one process or several."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from logging import Logger
from typing import Any

from mmcv import Config
from mmcv.runner import (
    BaseRunner,
    EpochBasedRunner,
    Fp16OptimizerHook,
    build_optimizer,
    build_runner,
)
from mmcv.runner.builder import RUNNERS
from mmdet.apis.train import auto_scale_lr
from mmdet.datasets import build_dataloader
from mmdet.utils import compat_cfg, get_root_logger
from mmdet3d.datasets import build_dataset
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from .checkpoint_loading import check_start
from .device import select_device
from .optimizer_hook import NanSafeOptimizerHook
from .processes import parallel_model
from .saving import SLACK, check_folder, checkpoint_bytes, find_latest

# What takes the place of mmcv's runners where the config wants mixed precision.
RESUMABLE = {
    'EpochBasedRunner': 'ResumableEpochRunner',
    'IterBasedRunner': 'ResumableIterRunner',
}


def train_model(*args: Any, **kwargs: Any) -> None:
    """Trains a model: :func:`prepare_training`, whose arguments it takes, and then the training.

    They are those of the stock function.
    """
    prepare_training(*args, **kwargs)()


def prepare_training(
    model: nn.Module,
    dataset: Dataset | Sequence[Dataset],
    cfg: Config,
    distributed: bool = False,
    validate: bool = False,
    timestamp: str | None = None,
    meta: dict | None = None,
) -> Callable[[], None]:
    """Does all that comes before the first image, and so all that can fail for want of something.

    ``mmdet3d.apis.train_model`` calls ``model.cuda()`` and mmdet's knows only its
    own data sets. Like them this puts mmcv's parts together; all that is special comes from the
    config (runner and hooks), and so by the stock functions, too.

    Args:
        model: Anything with ``train_step``.
        dataset: Training data set, or one per entry of the workflow; those of later entries are
            built where they are not given.
        cfg: Config; ``device`` and ``gpu_ids`` have defaults. It is not changed. ``load_from`` and
            ``resume_from`` must not hold Python objects besides tensors, which could run any code,
            unless ``trust_checkpoints`` is True.
        distributed: Whether several processes train together.
        validate: Whether to evaluate ``cfg.data.val`` as ``cfg.evaluation`` says.
        timestamp: Names the log files.
        meta: Stored in checkpoints; its ``seed`` is that of the run.

    Returns:
        What trains.

    Raises:
        FileNotFoundError: If the checkpoint to start from is missing.
        ValueError: If it is no checkpoint, one of another model, or needs trust.
        OSError: If the work_dir cannot be written, or has no room for the checkpoints.
    """
    cfg = _complete(cfg)
    logger = get_root_logger(log_level=cfg.log_level)
    start = _checked_start(cfg, model, logger)
    datasets = list(dataset) if isinstance(dataset, (list, tuple)) else [dataset]
    for config in workflow_data(cfg)[len(datasets) :]:
        datasets.append(build_dataset(config))
    parallel = parallel_model(
        model,
        cfg.device,
        cfg.gpu_ids,
        distributed,
        cfg.get('find_unused_parameters', False),
    )
    auto_scale_lr(cfg, distributed, logger)
    optimizer = build_optimizer(parallel, cfg.optimizer)
    check_folder(cfg.work_dir, _room(cfg, model, optimizer))
    runner = _runner(cfg, parallel, optimizer, logger, meta)
    runner.timestamp = timestamp  # so that .log and .log.json have the same name
    hooks = list(cfg.get('custom_hooks') or [])
    if validate:
        hooks.append(_evaluation_hook(cfg, distributed))
    runner.register_training_hooks(
        cfg.lr_config,
        _optimizer_config(cfg, distributed),
        cfg.checkpoint_config,
        cfg.log_config,
        cfg.get('momentum_config'),
        custom_hooks_config=hooks,
    )
    if cfg.resume_from:
        runner.resume(str(start))
    elif start:
        runner.load_checkpoint(str(start))
    loaders = [_loader(data, cfg, distributed) for data in datasets]
    return partial(runner.run, loaders, cfg.workflow)


def workflow_data(cfg: Config) -> list[dict]:
    """Config of the data set of each entry of the workflow, as the stock tools choose them.

    ``val`` gives the losses of the validation data: with the annotations, and so through the
    training pipeline.

    Args:
        cfg: Config with ``data`` and ``workflow``.

    Raises:
        ValueError: If an entry is neither ``train`` nor ``val``.
    """
    configs = []
    for mode, _ in cfg.get('workflow') or [('train', 1)]:
        if mode not in ('train', 'val'):
            raise ValueError(f"workflow has entries ('train', n) and ('val', n), not {mode!r}")
        config = copy.deepcopy(cfg.data[mode])
        if mode == 'val':
            pipeline = _pipeline(cfg.data.train)
            if pipeline is not None:
                config['pipeline'] = copy.deepcopy(pipeline)
            config['test_mode'] = False
        configs.append(config)
    return configs


def _pipeline(config: Any) -> list[dict] | None:
    """Pipeline of a data set's config, of its first part where it is a wrapper's."""
    while isinstance(config, (list, tuple)):
        config = config[0]
    inner = config.get('dataset') or config.get('datasets')
    return _pipeline(inner) if inner else config.get('pipeline')


def _complete(cfg: Config) -> Config:
    """A copy with defaults; ``resume_from`` is what ``auto_resume`` finds, if it finds any."""
    cfg = compat_cfg(copy.deepcopy(cfg))
    cfg.device = select_device(cfg.get('device')).partition(':')[0]
    cfg.gpu_ids = cfg.get('gpu_ids') or [0]
    cfg.load_from, cfg.resume_from = cfg.get('load_from'), cfg.get('resume_from')
    if cfg.resume_from is None and cfg.get('auto_resume'):
        cfg.resume_from = find_latest(cfg.work_dir)
    return cfg


def _checked_start(cfg: Config, model: nn.Module, logger: Logger) -> Any:
    """The checkpoint to start from, if any, once it is sure that it can be."""
    start = cfg.resume_from or cfg.load_from
    if start:
        trust = cfg.get('trust_checkpoints', False)
        remark = check_start(model, start, trust, resume=bool(cfg.resume_from))
        if remark:
            logger.warning(remark)
    return start


def _room(cfg: Config, model: nn.Module, optimizer: Optimizer) -> int:
    """Bytes for one checkpoint, the one that replaces it, and logs."""
    return 2 * checkpoint_bytes(model, optimizer) + SLACK if cfg.checkpoint_config else SLACK


def _runner(
    cfg: Config, model: nn.Module, optimizer: Optimizer, logger: Logger, meta: dict | None
) -> BaseRunner:
    """The runner of the config, or with mixed precision the one of its kind that knows it."""
    if cfg.get('fp16') is not None:
        cfg.runner.type = RESUMABLE.get(cfg.runner.type, cfg.runner.type)
        cfg.runner.setdefault('autocast', 'bfloat16' if cfg.device == 'cpu' else 'float16')
        if cfg.device == 'cpu':
            logger.warning('fp16 is for GPUs: on this CPU the forward pass runs in bfloat16')
    parts = {'model': model, 'optimizer': optimizer, 'work_dir': cfg.work_dir, 'logger': logger}
    return build_runner(cfg.runner, {**parts, 'meta': {'seed': cfg.get('seed'), **(meta or {})}})


def _loader(dataset: Dataset, cfg: Config, distributed: bool) -> Any:
    options = {
        'samples_per_gpu': 2,
        'workers_per_gpu': 2,
        'num_gpus': len(cfg.gpu_ids),  # counts in one process only
        'seed': cfg.get('seed'),
        **cfg.data.get('train_dataloader', {}),
    }
    return build_dataloader(dataset, dist=distributed, **options)


def _optimizer_config(cfg: Config, distributed: bool) -> Any:
    """With mmcv's loss scale where the config asks for ``fp16``, as the stock functions do."""
    if cfg.get('fp16') is None:
        return cfg.optimizer_config
    options = {key: value for key, value in cfg.optimizer_config.items() if key != 'type'}
    scaling = Fp16OptimizerHook(**cfg.fp16, distributed=distributed)
    return NanSafeOptimizerHook(**options, scaling=scaling)


def _evaluation_hook(cfg: Config, distributed: bool) -> dict:
    """Config of the hook that evaluates ``cfg.data.val`` during training."""
    loader = {
        'samples_per_gpu': 1,
        'workers_per_gpu': 2,
        'shuffle': False,
        **cfg.data.get('val_dataloader', {}),
        'dist': distributed,
    }
    options = dict(cfg.get('evaluation', {}))
    options.pop('gpu_collect', None)
    length = cfg.runner.get('max_epochs') or cfg.runner.get('max_iters') or 0
    return {
        'type': 'EvaluationHook',
        'check': options.get('interval', 1) <= length,  # else it never comes to it
        'priority': 'LOW',
        'dataset': copy.deepcopy(cfg.data.val),
        'loader': loader,
        'by_epoch': issubclass(RUNNERS.get(cfg.runner.type), EpochBasedRunner),
        **options,
    }

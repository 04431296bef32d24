"""Training on CPU and GPU through mmdet's and mmcv's runner."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from mmcv import Config
from mmdet.apis import train_detector as mmdet_train_detector
from mmdet.utils import compat_cfg
from mmdet.utils.util_distribution import dp_factory
from torch import nn
from torch.utils.data import Dataset

from .checkpoint_loading import check_start
from .device import CpuDataParallel, select_device


def train_detector(
    model: nn.Module,
    dataset: Dataset | Sequence[Dataset],
    cfg: Config,
    distributed: bool = False,
    validate: bool = False,
    timestamp: str | None = None,
    meta: dict | None = None,
) -> None:
    """Trains a detector, with the signature of the stock function.

    ``mmdet3d.apis.train_detector`` calls ``model.cuda()`` (docs/install.md, trap 1); mmdet's
    function respects ``cfg.device`` but knows only its own datasets, so validation comes in as a
    hook.

    Args:
        model: Detector.
        dataset: Training dataset, or one per entry of the workflow.
        cfg: Config; ``device`` and ``gpu_ids`` have defaults. It is not changed. ``load_from`` and
            ``resume_from`` must not hold Python objects besides tensors, which could run any code,
            unless ``trust_checkpoints`` is True.
        distributed: Whether several processes train together.
        validate: Whether to evaluate ``cfg.data.val`` as ``cfg.evaluation`` says.
        timestamp: Names the log files.
        meta: Stored in checkpoints.

    Raises:
        FileNotFoundError: If the checkpoint to start from is missing.
        ValueError: If it is no checkpoint, one of another model, or needs trust.
    """
    cfg = compat_cfg(copy.deepcopy(cfg))
    cfg.device = select_device(cfg.get('device')).partition(':')[0]
    cfg.gpu_ids = cfg.get('gpu_ids') or [0]
    cfg.resume_from, cfg.load_from = cfg.get('resume_from'), cfg.get('load_from')
    start = cfg.resume_from or cfg.load_from
    if start:
        check_start(model, start, cfg.get('trust_checkpoints', False))
    cfg.seed = cfg.get('seed')
    if validate:
        hooks = cfg.get('custom_hooks') or []
        cfg.custom_hooks = [*hooks, evaluation_hook(cfg, distributed)]
    dp_factory['cpu'] = CpuDataParallel
    mmdet_train_detector(model, dataset, cfg, distributed, False, timestamp, meta)


def evaluation_hook(cfg: Config, distributed: bool) -> dict:
    """Config of the hook that evaluates ``cfg.data.val`` during training.

    Args:
        cfg: Config after ``compat_cfg``.
        distributed: Whether several processes train together.
    """
    loader = {
        'samples_per_gpu': 1,
        'workers_per_gpu': 2,
        'shuffle': False,
        **cfg.data.get('val_dataloader', {}),
        'dist': distributed,
    }
    return {
        'type': 'DistMono3DEvalHook' if distributed else 'Mono3DEvalHook',
        'priority': 'LOW',
        'dataset': copy.deepcopy(cfg.data.val),
        'loader': loader,
        'by_epoch': cfg.runner.type != 'IterBasedRunner',
        **cfg.get('evaluation', {}),
    }

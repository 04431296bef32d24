"""Loads a detector and runs it on images of any camera."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate, scatter
from mmdet3d.apis import convert_SyncBN
from mmdet3d.core.bbox import get_box_type
from mmdet3d.datasets.pipelines import Compose
from mmdet3d.models import build_model
from torch import nn
from torch.utils.data import DataLoader

from ..engine import load_config, load_weights, select_device


def init_detector(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    options: dict | None = None,
    trust: bool = False,
) -> nn.Module:
    """Builds a detector for inference.

    Unlike the stock ``init_model`` it refuses a checkpoint of another model, whose weights would
    otherwise silently stay random, and runs no code from the file.

    Args:
        config: Config or its path.
        checkpoint: Weights; None leaves them random (tests only).
        device: ``cpu``, ``cuda``, ``cuda:1``; None takes the GPU where there is one.
        options: Changes to the config, as ``--cfg-options``.
        trust: Whether the checkpoint may hold Python objects, which can run any code; a plain copy
            made by ``tools/publish_model.py --trust`` is the better way.

    Returns:
        The model in eval mode, with ``cfg`` and ``CLASSES``.

    Raises:
        FileNotFoundError: If the config or the checkpoint is missing.
        ValueError: If the checkpoint does not fit the model, or needs trust.
    """
    device = select_device(device)
    cfg = load_config(config, options)
    convert_SyncBN(cfg.model)
    cfg.model.pretrained = None
    cfg.model.train_cfg = None
    model = build_model(cfg.model, test_cfg=cfg.get('test_cfg'))
    meta = {} if checkpoint is None else load_weights(model, checkpoint, trust)
    model.CLASSES = tuple(meta.get('CLASSES') or cfg.get('class_names') or ())
    model.cfg = cfg
    return model.to(device).eval()


def infer_images(
    model: nn.Module,
    images: Sequence[str | Path | np.ndarray],
    cam2img: np.ndarray | Sequence[np.ndarray],
    batch_size: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> list[dict]:
    """Detects objects in images of any calibrated camera.

    Args:
        model: From ``init_detector``.
        images: Paths, or BGR uint8 arrays (H, W, 3).
        cam2img: Intrinsics (3, 3) for all images, or one per image.
        batch_size: Images per forward pass.
        on_progress: Called with the number of images just done.

    Returns:
        Per image the detector's result: ``img_bbox`` with ``boxes_3d`` (camera frame),
        ``scores_3d``, ``labels_3d``, ``attrs_3d``, and the covariance of ``[x, y, z, yaw]`` of each
        box, ``pose_cov_3d`` (n, 4, 4). Posterior samples, their log-weights and the effective
        sample size (``samples_3d``, ``log_weights_3d``, ``ess_3d``) come where the model was loaded
        with ``options={'model.test_cfg.with_samples': True}``.

    Raises:
        ValueError: If the number of intrinsics is not that of the images.
        FileNotFoundError: If an image is missing.
    """
    matrices = np.asarray(cam2img, dtype=np.float64)
    if matrices.ndim == 2:
        matrices = np.broadcast_to(matrices, (len(images), *matrices.shape))
    if len(matrices) != len(images):
        raise ValueError(f'{len(images)} images need one cam2img, or as many; got {len(matrices)}')
    pipeline = Compose(copy.deepcopy(model.cfg.data.test.pipeline))
    box_type = get_box_type(model.cfg.data.test.get('box_type_3d', 'Camera'))
    results: list[dict] = []
    for start in range(0, len(images), max(batch_size, 1)):
        stop = min(start + max(batch_size, 1), len(images))
        samples = [pipeline(_request(images[i], matrices[i], box_type)) for i in range(start, stop)]
        results += forward(model, collate(samples, samples_per_gpu=len(samples)))
        if on_progress is not None:
            on_progress(stop - start)
    return results


def _request(image: str | Path | np.ndarray, cam2img: np.ndarray, box_type: tuple) -> dict:
    """The dict that a dataset would hand to the first step of its pipeline."""
    info: dict = {'cam_intrinsic': cam2img.tolist()}
    prefix = ''
    if isinstance(image, np.ndarray):
        info['img'] = image
    else:
        path = Path(image)
        if not path.is_file():
            raise FileNotFoundError(f'no image {path}')
        prefix, info['filename'] = str(path.parent), path.name
        info['file_name'] = path.name
    fields = ('img', 'bbox3d', 'pts_mask', 'pts_seg', 'bbox', 'mask', 'seg')
    return {
        'img_info': info,
        'img_prefix': prefix,
        'box_type_3d': box_type[0],
        'box_mode_3d': box_type[1],
        **{f'{name}_fields': [] for name in fields},
    }


def forward(model: nn.Module, data: dict) -> list[dict]:
    """One forward pass of a collated test batch, on the device that the model is on."""
    device = next(model.parameters()).device
    target = -1 if device.type == 'cpu' else (device.index or 0)
    with torch.no_grad():
        return model(return_loss=False, rescale=True, **scatter(data, [target])[0])


def predict_dataset(model: nn.Module, loader: DataLoader, progress: bool = True) -> list[dict]:
    """Runs a detector over a test loader.

    Args:
        model: The bare model, in eval mode.
        loader: From ``mmdet3d.datasets.build_dataloader`` with ``shuffle=False``.
        progress: Whether to show a bar with elapsed time and estimate.

    Returns:
        Results in the order of the dataset.
    """
    bar = mmcv.ProgressBar(len(loader.dataset), file=sys.stdout) if progress else None
    results: list[dict] = []
    for data in _batches(loader):
        found = forward(model, data)
        results += found
        if bar is not None:
            bar.update(len(found))
    if bar is not None:
        bar.file.write('\n')
    return results


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

"""Loads a detector and runs it on images of any camera."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Union

import numpy as np
from mmcv import Config
from mmcv.parallel import collate
from mmdet3d.apis import convert_SyncBN
from mmdet3d.core.bbox import get_box_type
from mmdet3d.datasets.pipelines import Compose
from mmdet3d.models import build_model
from torch import nn

from ..engine import config_of, forward, load_config, load_weights, read_checkpoint, select_device
from ..engine.class_names import check_classes
from ..inputs import ImageCamera, camera_of_image, fitting_intrinsics, notice
from ..weights import default_weights
from .agreement import config_classes
from .detections import ImageDetections

Image = Union[str, Path, np.ndarray]


def init_detector(
    config: str | Path | Config | None = None,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    options: dict | None = None,
    trust: bool = False,
) -> nn.Module:
    """Builds a detector for inference.

    Unlike the stock ``init_model`` it refuses a checkpoint of another model, whose weights would
    otherwise silently stay random, and runs no code from the file.

    Args:
        config: Config or its path; None takes the one that the checkpoint carries.
        checkpoint: Weights; None takes those that ship with the package or, with a config, leaves
            them random (tests only).
        device: ``cpu``, ``cuda``, ``cuda:1``; None takes the GPU where there is one.
        options: Changes to the config, as ``--cfg-options``.
        trust: Whether the checkpoint may hold Python objects, which can run any code; a plain copy
            made by ``tools/publish_model.py --trust`` is the better way.

    Returns:
        The model in eval mode, with ``cfg`` and ``CLASSES``.

    Raises:
        FileNotFoundError: If the config or the checkpoint is missing.
        ValueError: If the checkpoint does not fit the model, carries no config where one is
            needed, or needs trust.
    """
    device = select_device(device)
    if config is None and checkpoint is None:
        checkpoint = default_weights()
    cfg = resolve_config(config, checkpoint, options, trust)
    convert_SyncBN(cfg.model)
    if 'pretrained' in cfg.model:
        cfg.model.pretrained = None
    cfg.model.train_cfg = None
    model = _built(cfg)
    meta = {} if checkpoint is None else load_weights(model, checkpoint, trust)
    named = config_classes(cfg.get('data', {}).get('test')) or cfg.get('class_names')
    model.CLASSES = tuple(meta.get('CLASSES') or named or ())
    _mention_classes(meta.get('CLASSES'), cfg, checkpoint)
    model.cfg = cfg
    return model.to(device).eval()


def _mention_classes(names: Sequence[str] | None, cfg: Config, checkpoint: object) -> None:
    """Says where a checkpoint and its config name other classes; those of the checkpoint hold."""
    test = cfg.get('data', {}).get('test')
    try:
        whose = (str(checkpoint), 'data.test of the config')
        check_classes(names, config_classes(test), whose, 'those of the checkpoint are taken')
    except ValueError as error:
        notice(('classes', str(checkpoint)), str(error))


def resolve_config(
    config: str | Path | Config | None = None,
    checkpoint: str | Path | None = None,
    options: dict | None = None,
    trust: bool = False,
) -> Config:
    """The config that :func:`init_detector` would build from the same arguments."""
    if config is None:
        checkpoint = default_weights() if checkpoint is None else checkpoint
        config = config_of(read_checkpoint(checkpoint, trust)['meta'], checkpoint)
    return load_config(config, options)


def _built(cfg: Config) -> nn.Module:
    """The model of a config, or one line about what the config lacks."""
    try:
        return build_model(cfg.model, test_cfg=cfg.get('test_cfg'))
    except (TypeError, KeyError, AttributeError) as error:
        text = ' '.join(str(error).split())
        lacking = re.search(r"(\w+)\.?(?:__init__)?\(\) missing .* arguments?: (.+?)['\"]*$", text)
        reason = f"{lacking[1]} lacks {lacking[2]}'" if lacking else text
        raise ValueError(f'{cfg.filename or "the config"} makes no detector: {reason}') from error


def detect(
    model: nn.Module,
    images: Image | Sequence[Image],
    cam2img: np.ndarray | Sequence[np.ndarray],
    batch_size: int = 1,
    score_thr: float = 0.0,
    on_progress: Callable[[int], None] | None = None,
    exif: str = 'auto',
    **wanted: bool,
) -> ImageDetections | list[ImageDetections]:
    """Detects objects in images of any calibrated camera and any size.

    Args:
        model: From :func:`init_detector`.
        images: Path or BGR uint8 array (H, W, 3), or a sequence of them.
        cam2img: Intrinsics (3, 3) for all images, or one per image.
        batch_size: Images per forward pass.
        score_thr: Detections below are left out.
        on_progress: Called with the number of images just done.
        exif: What becomes of the EXIF orientation of image files, see
            ``inputs.orientation.resolve_mode``; arrays are taken as they are.
        **wanted: ``with_samples``, ``with_points``, ``with_maps``; see :func:`detect_stream`.

    Returns:
        Detections of the image, or of each image of a sequence.

    Raises:
        ValueError: If the number of intrinsics is not that of the images, an image is no image, or
            has an EXIF orientation that leaves open what its intrinsics are of
            (``inputs.camera_of_image`` loads it as you say), or intrinsics cannot be of its size.
        FileNotFoundError: If an image is missing.
    """
    single = isinstance(images, (str, Path)) or (
        isinstance(images, np.ndarray) and images.ndim <= 3
    )
    listed = [images] if single else list(images)
    matrices = _matrices(listed, cam2img)
    for image, matrix in zip(listed, matrices):
        _check_camera(image, matrix, exif)  # of all of them, before the work begins
    wanted = {**wanted, 'exif': exif}
    stream = detect_stream(model, listed, iter(matrices), batch_size, score_thr, **wanted)
    found = []
    for detections in stream:
        found.append(detections)
        if on_progress is not None:
            on_progress(1)
    return found[0] if single else found


def detect_stream(
    model: nn.Module,
    images: Iterable[Image],
    cam2img: np.ndarray | Iterable[np.ndarray],
    batch_size: int = 1,
    score_thr: float = 0.0,
    with_samples: bool = False,
    with_points: bool = False,
    with_maps: bool = False,
    exif: str = 'auto',
) -> Iterator[ImageDetections]:
    """Detects objects in a stream of frames, of which ``batch_size`` are in memory at a time.

    Only frames of one size share a forward pass, so no result depends on its neighbours.

    Args:
        model: From :func:`init_detector`.
        images: Paths or BGR uint8 arrays (H, W, 3); any iterable, endless ones too.
        cam2img: Intrinsics (3, 3) for all frames, or an iterable of one per frame.
        batch_size: Frames per forward pass; a frame waits until its batch is full.
        score_thr: Detections below are left out.
        with_samples: Whether to draw posterior samples of each pose.
        with_points: Whether to return the 2D-3D correspondences of each object.
        with_maps: Whether to return score map and auxiliary depth.
        exif: As for :func:`detect`.

    Yields:
        Detections of each frame, in order.

    Raises:
        ValueError: If the intrinsics end before the frames, or a frame is no image.
        FileNotFoundError: If an image is missing.
    """
    flags = dict(with_samples=with_samples, with_points=with_points, with_maps=with_maps)
    wanted = {name: True for name, value in flags.items() if value}
    matrices = itertools.repeat(cam2img) if _is_matrix(cam2img) else iter(cam2img)
    inputs = network_inputs(model, images, matrices, exif)
    for batch in _batches_of_one_size(inputs, max(batch_size, 1)):
        results = forward(model, collate(list(batch), samples_per_gpu=len(batch)), **wanted)
        for sample, result in zip(batch, results):
            meta = sample['img_metas'][0].data
            size = meta['ori_shape'][1::-1]
            found = ImageDetections.from_result(result, model.CLASSES, meta['cam2img'], size)
            yield found.above(score_thr)


def _is_matrix(cam2img: object) -> bool:
    return isinstance(cam2img, (np.ndarray, list, tuple)) and np.ndim(cam2img) == 2


def _matrices(images: Sequence, cam2img: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    if _is_matrix(cam2img):
        return [np.asarray(cam2img, dtype=np.float64)] * len(images)
    matrices = [np.asarray(matrix, dtype=np.float64) for matrix in cam2img]
    if len(matrices) != len(images):
        raise ValueError(f'{len(images)} images need one cam2img, or as many; got {len(matrices)}')
    return matrices


def network_inputs(
    model: nn.Module,
    images: Iterable[Image],
    matrices: Iterator[np.ndarray],
    exif: str = 'auto',
) -> Iterator[dict]:
    """Frames as the test pipeline of the model's config makes them, for ``mmcv``'s ``collate``.

    Args:
        model: From :func:`init_detector`.
        images: Paths or BGR uint8 arrays (H, W, 3).
        matrices: Intrinsics (3, 3), one per frame.
        exif: As for :func:`detect`.

    Yields:
        One item of a test batch per frame.

    Raises:
        ValueError: If the intrinsics end before the frames, or a frame is no image.
        FileNotFoundError: If an image is missing.
    """
    test = model.cfg.data.test
    pipeline = Compose(copy.deepcopy(test.pipeline))
    box_type = get_box_type(test.get('box_type_3d', 'Camera'))
    for index, image in enumerate(images):
        try:
            cam2img = np.asarray(next(matrices), dtype=np.float64)
        except StopIteration:
            raise ValueError(f'no cam2img for frame {index}: the intrinsics have ended') from None
        yield pipeline(_request(image, cam2img, box_type, exif))


def _batches_of_one_size(samples: Iterable[dict], batch_size: int) -> Iterator[list[dict]]:
    batch: list[dict] = []
    for sample in samples:
        if batch and (len(batch) == batch_size or _shape(sample) != _shape(batch[0])):
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def _shape(sample: dict) -> tuple[int, ...]:
    image = sample['img'][0]
    return tuple(getattr(image, 'data', image).shape)


def _check_camera(image: Image, cam2img: np.ndarray, exif: str) -> ImageCamera | None:
    """Compares the intrinsics of an image with its size and orientation."""
    if not isinstance(image, np.ndarray):
        return camera_of_image(image, cam2img, exif=exif)
    if image.ndim == 3:  # else the pipeline says what is wrong with it
        fitting_intrinsics(cam2img, image.shape[1::-1])
    return None


def _request(image: Image, cam2img: np.ndarray, box_type: tuple, exif: str) -> dict:
    """The dict that a dataset would hand to the first step of its pipeline."""
    camera = _check_camera(image, cam2img, exif)
    if camera is None:
        info = {'img': image, 'cam_intrinsic': cam2img.tolist()}
    else:
        name = str(camera.path)
        info = {'filename': name, 'file_name': name, 'cam_intrinsic': camera.cam2img.tolist()}
        info['img'] = camera.load()
    names = ('img', 'bbox3d', 'pts_mask', 'pts_seg', 'bbox', 'mask', 'seg')
    return {
        'img_info': info,
        'img_prefix': '',
        'box_type_3d': box_type[0],
        'box_mode_3d': box_type[1],
        **{f'{name}_fields': [] for name in names},
    }

"""Loads a detector and runs it on images of any camera."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

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
from ..inputs import (
    Calibration,
    ImageCamera,
    camera_of_image,
    fitting_intrinsics,
    fitting_mounting,
    ground_plane,
    notice,
)
from ..inputs.intrinsics import as_matrix
from ..inputs.mountings import OF_HEIGHT
from ..weights import default_weights
from .agreement import config_classes
from .detections import ImageDetections

Image = Union[str, Path, np.ndarray]
Mounting = Optional[np.ndarray]


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
    cam2ego: Mounting | Sequence[Mounting] = None,
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
        cam2ego: How the camera is mounted, (4, 4): camera -> a frame whose z axis points up from
            the ground (nuScenes' ego frame), for all images or one per image; None where nobody
            knows. ``mounting_from_height`` makes one of a height. With it, models that have
            ``ground`` in their ``test_cfg`` (those for drawings that ship) tell distances better
            (docs/method.md 4.7). It is of the pixels that ``cam2img`` is of, and EXIF turns both.
        **wanted: ``with_samples``, ``with_points``, ``with_maps``; see :func:`detect_stream`.

    Returns:
        Detections of the image, or of each image of a sequence.

    Raises:
        ValueError: If the number of intrinsics or of mountings is not that of the images, an image
            is no image, or has an EXIF orientation that leaves open what its intrinsics are of
            (``inputs.camera_of_image`` loads it as you say), intrinsics cannot be of its size, or a
            mounting has the camera elsewhere than upright above the ground.
        FileNotFoundError: If an image is missing.
    """
    single = isinstance(images, (str, Path)) or (
        isinstance(images, np.ndarray) and images.ndim <= 3
    )
    listed = [images] if single else list(images)
    matrices, mountings = _matrices(listed, cam2img), _mountings(listed, cam2ego)
    for camera in zip(listed, matrices, mountings):
        _check_camera(*camera, exif)  # of all of them, before the work begins
    wanted = {**wanted, 'exif': exif, 'cam2ego': iter(mountings)}
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
    cam2ego: Mounting | Iterable[Mounting] = None,
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
        cam2ego: As for :func:`detect`, or an iterable of one per frame.

    Yields:
        Detections of each frame, in order.

    Raises:
        ValueError: If the intrinsics or mountings end before the frames, do not fit, or a frame is
            no image.
        FileNotFoundError: If an image is missing.
    """
    flags = dict(with_samples=with_samples, with_points=with_points, with_maps=with_maps)
    wanted = {name: True for name, value in flags.items() if value}
    matrices = itertools.repeat(cam2img) if _is_matrix(cam2img) else iter(cam2img)
    mountings = itertools.repeat(cam2ego) if _is_mounting(cam2ego) else iter(cam2ego)
    inputs = network_inputs(model, images, matrices, exif, mountings)
    for batch in _batches_of_one_size(inputs, max(batch_size, 1)):
        results = forward(model, collate(list(batch), samples_per_gpu=len(batch)), **wanted)
        for sample, result in zip(batch, results):
            meta = sample['img_metas'][0].data
            size = meta['ori_shape'][1::-1]
            found = ImageDetections.from_result(result, model.CLASSES, meta['cam2img'], size)
            yield found.above(score_thr)


def uses_mounting(model: nn.Module) -> bool:
    """Whether a detector makes anything of how a camera is mounted: ``test_cfg`` has ``ground``."""
    options = getattr(getattr(model, 'bbox_head', None), 'test_cfg', None) or {}
    return options.get('ground') is not None


def _is_matrix(values: object) -> bool:
    """Whether these are rows of numbers, and not several matrices."""
    listed = isinstance(values, (np.ndarray, list, tuple)) and len(values) > 0
    return listed and np.ndim(values[0]) == 1


def _is_mounting(cam2ego: object) -> bool:
    if cam2ego is not None and not isinstance(cam2ego, Iterable):
        raise ValueError(f'cam2ego must be a 4 x 4 matrix, got {cam2ego!r}; {OF_HEIGHT}')
    return cam2ego is None or _is_matrix(cam2ego)


def _matrices(images: Sequence, cam2img: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    if _is_matrix(cam2img):
        return [np.asarray(cam2img, dtype=np.float64)] * len(images)
    matrices = [np.asarray(matrix, dtype=np.float64) for matrix in cam2img]
    if len(matrices) != len(images):
        raise ValueError(f'{len(images)} images need one cam2img, or as many; got {len(matrices)}')
    return matrices


def _mountings(images: Sequence, cam2ego: Mounting | Sequence[Mounting]) -> list[Mounting]:
    if _is_mounting(cam2ego):
        return [cam2ego] * len(images)
    mountings = list(cam2ego)
    if len(mountings) != len(images):
        raise ValueError(
            f'{len(images)} images need one cam2ego, or as many (None where it is not known); got '
            f'{len(mountings)}'
        )
    return mountings


def network_inputs(
    model: nn.Module,
    images: Iterable[Image],
    matrices: Iterator[np.ndarray],
    exif: str = 'auto',
    mountings: Iterator[Mounting] | None = None,
) -> Iterator[dict]:
    """Frames as the test pipeline of the model's config makes them, for ``mmcv``'s ``collate``.

    Args:
        model: From :func:`init_detector`.
        images: Paths or BGR uint8 arrays (H, W, 3).
        matrices: Intrinsics (3, 3), one per frame.
        exif: As for :func:`detect`.
        mountings: How the camera of each frame is mounted, (4, 4) or None; None for no frame.

    Yields:
        One item of a test batch per frame.

    Raises:
        ValueError: If intrinsics or mountings end before the frames, do not fit, or a frame is no
            image.
        FileNotFoundError: If an image is missing.
    """
    test = model.cfg.data.test
    pipeline = Compose(copy.deepcopy(test.pipeline))
    box_type = get_box_type(test.get('box_type_3d', 'Camera'))
    mountings = itertools.repeat(None) if mountings is None else mountings
    for index, image in enumerate(images):
        cam2img = _next(matrices, f'no cam2img for frame {index}: the intrinsics have ended')
        cam2ego = _next(mountings, f'no cam2ego for frame {index}: the mountings have ended')
        camera = np.asarray(cam2img, dtype=np.float64), cam2ego
        sample = pipeline(_request(image, *camera, box_type, exif))
        if cam2ego is not None:
            _mention_unused(model, sample['img_metas'][0].data)
        yield sample


def _next(values: Iterator[Any], message: str) -> Any:
    """The next one, or an error where they have ended."""
    try:
        return next(values)
    except StopIteration:
        raise ValueError(message) from None


def _mention_unused(model: nn.Module, meta: dict) -> None:
    """Says where a model makes nothing of how the camera is mounted."""
    if not uses_mounting(model):
        cure = (
            "with init_detector(..., options={'model.test_cfg.ground': {}}) it does, image_demo "
            'with --cfg-options model.test_cfg.ground.height_std=0.25'
        )
    elif 'ground_plane' not in meta:
        cure = "list 'ground_plane' in meta_keys of Collect3D, in data.test.pipeline of its config"
    else:
        return
    notice(('mounting', cure), f'this model does not use the mounting, cam2ego; {cure}')


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


def _check_camera(
    image: Image, cam2img: np.ndarray, cam2ego: Mounting, exif: str
) -> tuple[ImageCamera | None, Mounting]:
    """Compares the camera of an image with its size and orientation.

    Returns:
        The camera of a file, None of an array, and how the camera of its pixels is mounted.
    """
    if not isinstance(image, np.ndarray):
        calibration = Calibration(as_matrix(cam2img), cam2ego=cam2ego)
        camera = camera_of_image(image, calibration, exif=exif)
        return camera, camera.cam2ego
    if image.ndim == 3:  # else the pipeline says what is wrong with it
        fitting_intrinsics(cam2img, image.shape[1::-1])
    return None, None if cam2ego is None else fitting_mounting(cam2ego)


def _request(
    image: Image, cam2img: np.ndarray, cam2ego: Mounting, box_type: tuple, exif: str
) -> dict:
    """The dict that a dataset would hand to the first step of its pipeline."""
    camera, mounting = _check_camera(image, cam2img, cam2ego, exif)
    if camera is None:
        info = {'img': image, 'cam_intrinsic': cam2img.tolist()}
    else:
        name = str(camera.path)
        info = {'filename': name, 'file_name': name, 'cam_intrinsic': camera.cam2img.tolist()}
        info['img'] = camera.load()
    plane = None if mounting is None else ground_plane(mounting)
    names = ('img', 'bbox3d', 'pts_mask', 'pts_seg', 'bbox', 'mask', 'seg')
    return {
        'img_info': info,
        'img_prefix': '',
        'box_type_3d': box_type[0],
        'box_mode_3d': box_type[1],
        **({} if plane is None else {'ground_plane': plane}),
        **{f'{name}_fields': [] for name in names},
    }

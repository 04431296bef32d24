"""`init_estimator` loads a network, `infer` runs it on an image, intrinsics and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmcv import Config
from torch import nn

from epropnp_det.apis import init_detector

from ..data.bop import Instance
from ..data.crop import Crop, box_crop, neighbouring_crops
from ..data.dataset import stacked_crops
from ..data.images import read_image
from ..data.models import MILLIMETRES, ObjectModel, read_models
from ..data.official_crop import OfficialCrop, official_crop
from ..evaluation.metrics import pose_matrices
from ..inference import PoseSolver
from ..models.correspondence import Correspondences, Maps
from ..models.estimator import Crops
from ..weights import default_weights


class ObjectPose(NamedTuple):
    """The pose of one object.

    Attributes:
        obj_id: Number of the object.
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        covariance: Of translation (m) and rotation vector (rad), (6, 6).
        cost: Robust cost at the pose.
        converged: Whether the solver reached the optimum.
        valid: Whether there is a pose at all.
        ess: Effective number of the samples; NaN without samples.
        samples: Poses ``[x, y, z, qw, qx, qy, qz]`` of the posterior, (S, 7); S may be 0.
        sample_weights: Their shares, sum 1, (S,).
        crop: The window that the network saw.
        noc: Normalised object coordinates, (3, h, w).
        weights: Of each cell along image x and y, (2, h, w).
    """

    obj_id: int
    rotation: np.ndarray
    translation: np.ndarray
    covariance: np.ndarray
    cost: float
    converged: bool
    valid: bool
    ess: float
    samples: np.ndarray
    sample_weights: np.ndarray
    crop: Crop
    noc: np.ndarray
    weights: np.ndarray


def init_estimator(
    checkpoint: str | Path | None = None,
    config: str | Path | Config | None = None,
    device: str | None = None,
    options: dict | None = None,
) -> nn.Module:
    """Builds a network for inference.

    Args:
        checkpoint: Weights; None takes those that ship with the package.
        config: Config or its path; None takes that in the checkpoint.
        device: ``cpu``, ``cuda``, ``cuda:1``; None takes the GPU where there is one.
        options: Changes to the config.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the checkpoint does not fit.
    """
    checkpoint = default_weights() if checkpoint is None else checkpoint
    return init_detector(config, checkpoint, device, options)


def objects_of(source: nn.Module | str | Path) -> dict[int, ObjectModel]:
    """What is known of the objects: of a network's config (``objects``), or a folder of models."""
    if not isinstance(source, nn.Module):
        return read_models(source)
    table = source.cfg.get('objects')
    if not table:
        raise ValueError(
            'the config of this network has no entry "objects": pass objects=FOLDER of the models'
        )
    objects = {}
    for key, entry in table.items():
        half, center = (
            np.array(entry.get(name, (0, 0, 0)), np.float64) * MILLIMETRES
            for name in ('half_extents', 'center')
        )
        diameter = entry['diameter'] * MILLIMETRES
        symmetries = np.array(entry.get('symmetries', [np.eye(4)]), np.float64).reshape(-1, 4, 4)
        objects[int(key)] = ObjectModel(int(key), diameter, half, center, symmetries, Path())
    return objects


@torch.no_grad()
def infer(
    model: nn.Module,
    image: str | Path | np.ndarray,
    cam2img: np.ndarray,
    boxes: np.ndarray,
    obj_ids: Sequence[int] | int | None = None,
    objects: dict[int, ObjectModel] | str | Path | None = None,
    samples: int = 0,
) -> list[ObjectPose]:
    """Estimates the poses of objects in an image.

    Args:
        model: From `init_estimator`.
        image: File, or BGR uint8 (H, W, 3).
        cam2img: Intrinsics (3, 3) for coordinates that are integers at pixel centres.
        boxes: x, y, width, height in pixels of each object, (n, 4).
        obj_ids: Which object each box holds; one number for all; None where there is only one.
        objects: Models, or their folder; None takes those of the network's config.
        samples: Posterior samples per object, a multiple of 4; 0 for none.

    Raises:
        ValueError: If shapes or objects do not fit.
    """
    pixels = read_image(str(image)) if isinstance(image, (str, Path)) else np.asarray(image)
    boxes = _checked(pixels, cam2img, boxes)
    if objects is None or isinstance(objects, (str, Path)):
        objects = objects_of(model if objects is None else objects)
    instances = _instances(cam2img, boxes, _ids(obj_ids, len(boxes), objects), pixels)
    if not instances:
        return []
    windows = [_windows(model.cfg, instance, pixels) for instance in instances]
    items = [stacked_crops(pixels, w, i, objects) for w, i in zip(windows, instances)]
    device = next(model.parameters()).device
    batch = {name: torch.stack([item[name] for item in items]).to(device) for name in items[0]}
    maps, points = model.predict(batch.pop('img'), Crops(**batch))
    solver = PoseSolver(**{**model.test_cfg, 'samples': samples})
    results = solver.results(points, batch['cam2img'][:, 0])
    return [
        _pose(instance, crops, result, maps, points, k)
        for k, (instance, crops, result) in enumerate(zip(instances, windows, results))
    ]


def _checked(pixels: np.ndarray, cam2img: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f'image must be uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}')
    if np.shape(cam2img) != (3, 3) or not np.isfinite(cam2img).all():
        raise ValueError(f'cam2img must be a finite (3, 3), got {np.shape(cam2img)}')
    boxes = np.asarray(boxes, np.float64).reshape(-1, np.shape(boxes)[-1] if np.size(boxes) else 4)
    if boxes.shape[1] != 4 or not np.isfinite(boxes).all() or (boxes[:, 2:] <= 0).any():
        raise ValueError('boxes must be finite x, y, width, height with positive sizes, (n, 4)')
    return boxes


def _ids(obj_ids: object, count: int, objects: dict[int, ObjectModel]) -> list[int]:
    if obj_ids is None:
        if len(objects) != 1:
            raise ValueError(f'say by obj_ids which of {sorted(objects)} each box holds')
        obj_ids = next(iter(objects))
    found = [int(obj_ids)] * count if np.ndim(obj_ids) == 0 else [int(i) for i in obj_ids]
    if len(found) != count:
        raise ValueError(f'{len(found)} obj_ids for {count} boxes')
    unknown = set(found) - set(objects)
    if unknown:
        raise ValueError(f'no model of object {sorted(unknown)}; there are {sorted(objects)}')
    return found


def _instances(
    cam2img: np.ndarray, boxes: np.ndarray, obj_ids: list[int], pixels: np.ndarray
) -> list[Instance]:
    camera = np.asarray(cam2img, np.float64)
    return [
        Instance(Path(), 0, 0, k, obj_id, camera, np.eye(3), np.zeros(3), box, None, 1.0)
        for k, (box, obj_id) in enumerate(zip(boxes, obj_ids))
    ]


def _windows(cfg: Config, instance: Instance, pixels: np.ndarray) -> list[Crop | OfficialCrop]:
    """The crops as the test set of the config has them."""
    test = cfg.data.test
    crop = box_crop(
        instance.box,
        test.get('resolution', 256),
        test.get('grid_size', 64),
        test.get('padding', 1.5),
        test.get('limit', 640.0),
    )
    crops = neighbouring_crops(crop, test.get('test_crops', 1))
    if not test.get('official_grid'):
        return crops
    size = pixels.shape[1::-1]
    return [official_crop(crop, size, test.get('fix_overhang', False)) for crop in crops]


def _pose(
    instance: Instance,
    crops: list[Crop | OfficialCrop],
    result: dict,
    maps: Maps,
    points: Correspondences,
    k: int,
) -> ObjectPose:
    """Puts together what is known of the ``k``-th object; maps are those of its first crop."""
    matrix = pose_matrices(result['pose'][None])[0]
    log_weights = result.get('log_weights', np.zeros(0))
    shares = np.exp(log_weights - log_weights.max()) if len(log_weights) else log_weights
    first, shape = k * len(crops), maps.logits.shape[2:]
    weights = points.w2d[k, : shape.numel()] * len(crops)
    return ObjectPose(
        obj_id=instance.obj_id,
        rotation=matrix[:, :3],
        translation=matrix[:, 3],
        covariance=result['pose_cov'],
        cost=float(result['cost']),
        converged=bool(result['converged']),
        valid=bool(result['valid']),
        ess=float(result.get('ess', np.nan)),
        samples=result.get('samples', np.zeros((0, 7))),
        sample_weights=shares / max(shares.sum(), 1e-300) if len(shares) else shares,
        crop=crops[0],
        noc=maps.noc[first].cpu().numpy(),
        weights=weights.t().unflatten(1, shape).cpu().numpy(),
    )

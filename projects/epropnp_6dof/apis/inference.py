"""`init_estimator` loads a network, `infer` runs it on an image, intrinsics and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv import Config
from torch import nn

from epropnp_det.apis import init_detector

from ..crops import AnyCrop
from ..crops.framing import Framing
from ..data.images import read_image
from ..data.targets import stacked_crops
from ..models.solver import PoseSolver
from ..models.structures import Correspondences, Crops, Maps
from ..objects.instances import Instance
from ..objects.models import MILLIMETRES, ObjectModel, read_models
from ..objects.poses import ObjectPose, equivalent_poses, pose_matrices
from ..weights import default_weights


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
        samples: Posterior samples per object, a multiple of 4; 0 for none. Of a symmetric object,
            each stands for all poses that look the same.

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
    test = model.cfg.data.test
    count, framing = test.get('test_crops', 1), Framing.of(test)
    windows = [framing.around(instance.box, pixels, count) for instance in instances]
    items = [
        stacked_crops(pixels, crops, instance, objects[instance.obj_id])
        for crops, instance in zip(windows, instances)
    ]
    device = next(model.parameters()).device
    batch = {name: torch.stack([item[name] for item in items]).to(device) for name in items[0]}
    maps, points = model.predict(batch.pop('img'), Crops(**batch))
    solver = PoseSolver(**{**model.test_cfg, 'samples': samples})
    results = solver.results(points, batch['cam2img'][:, 0])
    return [
        _pose(instance, crops, _spread(result, objects[instance.obj_id]), maps, points, k)
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


def _spread(result: dict, model: ObjectModel) -> dict:
    """The result with samples of all poses that look like those drawn, each as likely."""
    if 'samples' not in result:
        return result
    count = len(model.symmetries)
    samples = equivalent_poses(result['samples'], model.symmetries).reshape(-1, 7)
    return {**result, 'samples': samples, 'log_weights': np.tile(result['log_weights'], count)}


def _pose(
    instance: Instance,
    crops: list[AnyCrop],
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

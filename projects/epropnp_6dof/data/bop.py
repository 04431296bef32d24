"""Reads data sets in BOP layout (docs/method_6dof.md 2.4)."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..objects.instances import Instance
from ..objects.models import MILLIMETRES

SUFFIXES = ('.png', '.jpg', '.jpeg')


def read_bop(
    split: str | Path,
    image_ids: Collection[int] | None = None,
    obj_ids: Collection[int] | None = None,
    min_visibility: float = 0.0,
) -> list[Instance]:
    """All annotated objects of a split, in order of scene, image and annotation.

    Args:
        split: Folder with scenes ``000001`` and so on.
        image_ids: Images to keep; None for all.
        obj_ids: Objects to keep; None for all.
        min_visibility: Least visible share.

    Raises:
        FileNotFoundError: If the folder holds no scene, or an image is missing.
        ValueError: If the annotation is not as BOP's.
    """
    scenes = sorted(Path(split).glob('[0-9]*/scene_gt.json'))
    if not scenes:
        raise FileNotFoundError(
            f'{split} holds no scene such as 000001/scene_gt.json: give the folder of a BOP split'
        )
    wanted = None if image_ids is None else {int(image_id) for image_id in image_ids}
    found = []
    for path in scenes:
        found += _read_scene(path.parent, wanted, obj_ids, min_visibility)
    return found


def _read_scene(
    scene: Path,
    image_ids: set[int] | None,
    obj_ids: Collection[int] | None,
    min_visibility: float,
) -> list[Instance]:
    annotations, cameras = (
        json.loads((scene / f'scene_{name}.json').read_text('utf-8')) for name in ('gt', 'camera')
    )
    infos_path = scene / 'scene_gt_info.json'
    infos = json.loads(infos_path.read_text('utf-8')) if infos_path.is_file() else {}
    files = {path.stem: path for path in _images(scene)}
    found = []
    for key in sorted(annotations, key=int):
        if image_ids is not None and int(key) not in image_ids:
            continue
        image = files.get(f'{int(key):06d}')
        for index, annotation in enumerate(annotations[key]):
            if obj_ids is not None and annotation['obj_id'] not in obj_ids:
                continue
            if image is None:
                raise FileNotFoundError(f'{scene} has an annotation but no image {int(key):06d}')
            try:
                info = infos[key][index] if infos else {}
                instance = _instance(scene, image, int(key), index, annotation, cameras[key], info)
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(
                    f'{scene}, image {key}, object {index}: {type(error).__name__} {error}; '
                    'the files are not as BOP describes them'
                ) from error
            if instance.visibility >= min_visibility and instance.box[2:].min() > 0:
                found.append(instance)
    return found


def _images(scene: Path) -> list[Path]:
    """Colour images of a scene; grey ones where there are no others."""
    for folder in ('rgb', 'gray'):
        if (scene / folder).is_dir():
            return [p for p in sorted((scene / folder).iterdir()) if p.suffix.lower() in SUFFIXES]
    raise FileNotFoundError(f'{scene} has no folder rgb')


def _instance(
    scene: Path,
    image: Path,
    image_id: int,
    index: int,
    annotation: dict,
    camera: dict,
    info: dict,
) -> Instance:
    mask = scene / 'mask_visib' / f'{image_id:06d}_{index:06d}.png'
    box = np.array(info.get('bbox_visib', (0, 0, -1, -1)), np.float64)
    # BOP's width is that between the centres of the outer pixels.
    box[2:] = np.where(box[2:] >= 0, box[2:] + 1, 0)
    if not info:
        box = _mask_box(mask)
    return Instance(
        image=image,
        scene_id=int(scene.name),
        image_id=image_id,
        index=index,
        obj_id=int(annotation['obj_id']),
        cam2img=np.array(camera['cam_K'], np.float64).reshape(3, 3),
        rotation=np.array(annotation['cam_R_m2c'], np.float64).reshape(3, 3),
        translation=np.array(annotation['cam_t_m2c'], np.float64).reshape(3) * MILLIMETRES,
        box=box,
        mask=mask if mask.is_file() else None,
        visibility=float(info.get('visib_fract', 1.0)),
    )


def _mask_box(mask: Path) -> np.ndarray:
    """Bounding box of a mask, for data without ``scene_gt_info.json``."""
    import cv2

    picture = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise ValueError('neither scene_gt_info.json nor a mask says where the object is')
    return np.array(cv2.boundingRect((picture > 0).astype(np.uint8)), np.float64)


def detected(
    instances: list[Instance], path: str | Path | None = None, jitter: float = 0.0, seed: int = 0
) -> list[Instance]:
    """The instances with boxes of a detector instead of the ground truth.

    Args:
        instances: Ground truth.
        path: Detections as JSON, ``{"scene/image": [{obj_id, bbox_est: [x, y, w, h], score}]}``.
            The best one of the same object is taken, and an object without one gets an empty box
            with score zero, which counts as missed.
        jitter: Without ``path``: boxes are enlarged by up to this share per side of the image, to
            either direction at random.
        seed: Of the enlargement.
    """
    if path is None:
        return [_enlarged(instance, jitter, seed) for instance in instances]
    table = json.loads(Path(path).read_text('utf-8'))
    found = []
    for instance in instances:
        candidates = [
            detection
            for detection in table.get(f'{instance.scene_id}/{instance.image_id}', [])
            if detection['obj_id'] == instance.obj_id
        ]
        if not candidates:
            found.append(instance._replace(box=np.zeros(4), score=0.0))
            continue
        best = max(candidates, key=lambda detection: _match(detection, instance))
        box = np.array(best['bbox_est'], np.float64)
        found.append(instance._replace(box=box, score=float(best.get('score', 1.0))))
    return found


def _match(detection: dict, instance: Instance) -> tuple[float, float]:
    """Of several instances of an object each takes its own detection: overlap, then score."""
    x, y, w, h = detection['bbox_est']
    left, top, width, height = instance.box
    across = min(x + w, left + width) - max(x, left)
    down = min(y + h, top + height) - max(y, top)
    overlap = max(across, 0) * max(down, 0)
    return overlap / max(w * h + width * height - overlap, 1e-9), detection.get('score', 1.0)


def _enlarged(instance: Instance, jitter: float, seed: int) -> Instance:
    if not jitter:
        return instance
    rng = np.random.default_rng([seed, instance.scene_id, instance.image_id, instance.index])
    grow = instance.box[2:] * rng.uniform(0, jitter, 2)
    share = rng.uniform(0, 1, 2)
    box = np.concatenate([instance.box[:2] - grow * share, instance.box[2:] + grow])
    return instance._replace(box=box)

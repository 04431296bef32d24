"""The data set: crops of annotated objects, for training and for test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.datasets.builder import DATASETS
from torch.utils.data import Dataset

from ..crops import AnyCrop
from ..crops.framing import Framing
from ..evaluation import accuracies, result_errors, save_accuracy_curves
from ..objects.instances import Instance
from ..objects.models import ObjectModel
from .augment import Augmentation
from .bop import detected
from .coordinate_maps import denoise_edges, fingerprint, load_map, map_path, mesh_hash
from .images import read_gray_mask, read_image, read_mask
from .layouts import read_layout
from .targets import crop_fields, pose_targets, stacked_crops, to_tensor


@DATASETS.register_module()
class ObjectPoseDataset(Dataset):
    """Crops of objects.

    Args:
        split: Folder of the scenes (BOP), or of the objects such as ``real_train`` (official).
        models: Folder of the models.
        layout: ``bop`` or ``official``.
        coordinate_maps: Folder of the maps that ``tools/prepare_lm.py`` renders; None for training
            without models' surfaces, and for test.
        image_ids: JSON file with lists of image numbers, and the name of a list: ``(file, name)``;
            None for all images.
        obj_ids: Objects to keep; None for all.
        min_visibility: Least visible share.
        denoise: Whether edges of coordinate maps are smoothed, see `denoise_edges`.
        detections: See `bop.detected`.
        box_jitter: See `bop.detected`.
        seed: Of ``box_jitter``.
        jitter: Arguments of `crop.jittered_crop`.
        symmetric: Whether targets of all equivalent poses are given (X20).
        keep: Decoded images, masks and coordinate maps to keep in memory.
        every: Of each object, only every so-many-th instance.
        repeat: Times that each instance counts in an epoch.
        test_mode: No augmentation, no targets.
        test_crops: Crops per object at test, whose predictions are joined, see
            `neighbouring_crops`.
        **options: Fields of `Framing`, arguments of `Augmentation`.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If nothing is left, or an object has no model.
    """

    def __init__(
        self,
        split: str,
        models: str,
        layout: str = 'bop',
        coordinate_maps: str | None = None,
        image_ids: Sequence[str] | None = None,
        obj_ids: Sequence[int] | None = None,
        min_visibility: float = 0.1,
        denoise: bool = False,
        detections: str | None = None,
        box_jitter: float = 0.0,
        seed: int = 0,
        jitter: dict | None = None,
        symmetric: bool = False,
        keep: int = 256,
        every: int = 1,
        repeat: int = 1,
        test_mode: bool = False,
        test_crops: int = 1,
        **options,
    ) -> None:
        super().__init__()
        self.framing = Framing.of(options)
        others = {key: value for key, value in options.items() if key not in Framing._fields}
        self.augmentation = Augmentation(**others)
        self.denoise, self.symmetric = denoise, symmetric
        self.jitter = dict(jitter or {})
        self.repeat, self.test_mode, self.test_crops = repeat, test_mode, test_crops
        wanted = None if image_ids is None else _read_ids(*image_ids)
        instances, self.models = read_layout(
            layout, split, models, obj_ids, wanted, min_visibility, test_mode
        )
        instances = instances[::every]
        if test_mode and layout == 'bop':
            instances = detected(instances, detections, box_jitter, seed)
        self.instances = instances
        self.CLASSES = tuple(f'obj_{i:06d}' for i in sorted({i.obj_id for i in instances}))
        self.num_symmetries = max(len(self.model(i).symmetries) for i in instances)
        self.flag = np.zeros(len(self), np.uint8)  # mmdet's sampler groups by aspect ratio
        self._image = lru_cache(maxsize=keep)(read_image)
        self._mask = lru_cache(maxsize=keep)(read_gray_mask)
        self._map = lru_cache(maxsize=keep)(load_map)
        self.coordinate_maps = None if coordinate_maps is None else Path(coordinate_maps)
        if self.coordinate_maps is not None and not test_mode:
            self._check_maps()

    def __len__(self) -> int:
        return len(self.instances) * self.repeat

    def model(self, instance: Instance) -> ObjectModel:
        """The model of an instance."""
        return self.models[instance.obj_id]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Tensors of one crop: ``img`` and the fields of `Crops` and, in training, `Targets`."""
        instance = self.instances[index % len(self.instances)]
        image, model = self._image(str(instance.image)), self.model(instance)
        if self.test_mode:
            crops = self.framing.around(instance.box, image, self.test_crops)
            return stacked_crops(image, crops, instance, model)
        rng = np.random.mtrand._rand  # seeded per worker by mmdet
        crop = self.framing.jittered(instance.box, image, rng, **self.jitter)
        visible = read_mask(instance, image.shape[:2], self._mask)
        pixels, hidden = self.augmentation(crop.cut(image), lambda: crop.cut(visible) / 255, rng)
        points, mask = self._seen(instance, crop, visible, hidden)
        count = self.num_symmetries if self.symmetric else 1
        return {
            'img': to_tensor(pixels),
            **crop_fields(crop, instance, model),
            **pose_targets(instance, model, points, mask, count),
        }

    def _seen(
        self, instance: Instance, crop: AnyCrop, visible: np.ndarray, hidden: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points of the object that the cells see, and its share in each cell."""
        side = self.framing.grid_size
        mask = crop.cut(visible, side).astype(np.float32) / 255
        covered = cv2.resize(hidden.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        mask = mask * (1 - covered)
        points = np.zeros((side, side, 3), np.float32)
        if self.coordinate_maps is not None:
            found = self._map(map_path(self.coordinate_maps, instance))
            points = denoise_edges(found.points) if self.denoise else found.points
            points = crop.cut(points, side, smooth=False, corner=(found.left, found.top))
            mask = mask * (points != 0).any(2)
        return points, mask

    def _check_maps(self) -> None:
        """Raises where a map is missing or stale, before training starts."""
        hashes = {obj_id: mesh_hash(model) for obj_id, model in self.models.items()}
        for instance in self.instances:
            key = fingerprint(hashes[instance.obj_id], instance)
            if load_map(map_path(self.coordinate_maps, instance), key) is None:
                raise FileNotFoundError(
                    f'{self.coordinate_maps} has no up-to-date map of {instance.key}: '
                    'run tools/prepare_lm.py'
                )

    def evaluate(
        self, results: list[dict], metric: object = None, plot: str | None = None, **_
    ) -> dict[str, float]:
        """Accuracies of results of `ObjectPoseEstimator`, in percent.

        Args:
            results: One per instance.
            metric: As in mmdet3d; all are computed.
            plot: Picture to draw accuracy over threshold into (``--eval-options plot=FILE``).
        """
        errors = result_errors(results, self.instances, self.models)
        if plot:
            save_accuracy_curves(plot, errors)
        return accuracies(errors)


def _read_ids(path: str, name: str) -> list[int]:
    lists = json.loads(Path(path).read_text('utf-8'))
    if name not in lists:
        raise ValueError(f'{path} has no list {name!r}; it has {sorted(lists)}')
    return lists[name]

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
from scipy.spatial.transform import Rotation
from torch.utils.data import Dataset

from .augment import Backgrounds, paste, random_colors, random_occluder
from .bop import Instance, detected, read_bop
from .coordinate_maps import denoise_edges, fingerprint, load_map, map_path, mesh_hash
from .crop import Crop, box_crop, jittered_crop, neighbouring_crops
from .official import read_official, read_official_models
from .official_crop import OfficialCrop, official_crop
from .images import read_gray_mask, read_image, read_mask
from .models import ObjectModel, read_models


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
        resolution: Side of the crops.
        grid_size: Side of the grid.
        padding: Side of the window per longer side of the box.
        limit: Largest window in pixels.
        official_grid: Whether crops are those of the released networks, see `OfficialCrop`.
        fix_overhang: See `OfficialCrop`.
        denoise: Whether edges of coordinate maps are smoothed, see `denoise_edges`.
        detections: See `bop.detected`.
        box_jitter: See `bop.detected`.
        seed: Of ``box_jitter``.
        jitter: Arguments of `crop.jittered_crop`.
        backgrounds: Folders of images.
        background_prob: Probability that the background is replaced.
        color: Strength of the change of colours.
        occlusion: Probability that something hides a part.
        symmetric: Whether targets of all equivalent poses are given (X20).
        keep: Decoded images and masks to keep in memory.
        every: Of each object, only every so-many-th instance.
        repeat: Times that each instance counts in an epoch.
        test_mode: No augmentation, no targets.
        test_crops: Crops per object at test, whose predictions are joined, see
            `neighbouring_crops`.

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
        resolution: int = 256,
        grid_size: int = 64,
        padding: float = 1.5,
        limit: float = 640.0,
        official_grid: bool = False,
        fix_overhang: bool = False,
        denoise: bool = False,
        detections: str | None = None,
        box_jitter: float = 0.0,
        seed: int = 0,
        jitter: dict | None = None,
        backgrounds: str | Sequence[str] | None = None,
        background_prob: float = 0.5,
        color: float = 0.0,
        occlusion: float = 0.0,
        symmetric: bool = False,
        keep: int = 256,
        every: int = 1,
        repeat: int = 1,
        test_mode: bool = False,
        test_crops: int = 1,
    ) -> None:
        super().__init__()
        wanted = None if image_ids is None else _read_ids(*image_ids)
        if layout not in ('bop', 'official'):
            raise ValueError(f"layout must be 'bop' or 'official', got {layout!r}")
        if layout == 'bop':
            instances = read_bop(split, wanted, obj_ids, min_visibility)
            self.models = read_models(models)
        else:
            instances = read_official(split, obj_ids, wanted, test_mode)
            self.models = read_official_models(models)
        if not instances:
            raise ValueError(f'{split}: no object of {obj_ids} in the images asked for')
        unknown = {instance.obj_id for instance in instances} - set(self.models)
        if unknown:
            raise ValueError(f'{models} has no object {sorted(unknown)}')
        instances = [i for k, i in enumerate(instances) if k % every == 0]
        if test_mode and layout == 'bop':
            instances = detected(instances, detections, box_jitter, seed)
        self.instances = instances
        self.coordinate_maps = None if coordinate_maps is None else Path(coordinate_maps)
        self.resolution, self.grid_size = resolution, grid_size
        self.padding, self.limit = padding, limit
        self.official_grid, self.fix_overhang = official_grid, fix_overhang
        self.denoise = denoise
        self.jitter = dict(jitter or {})
        self.backgrounds = Backgrounds(backgrounds) if backgrounds else None
        self.background_prob = background_prob
        self.color, self.occlusion = color, occlusion
        self.symmetric = symmetric
        self._image = lru_cache(maxsize=keep)(read_image)
        self._mask = lru_cache(maxsize=keep)(read_gray_mask)
        self.repeat = repeat
        self.test_mode = test_mode
        self.test_crops = test_crops
        self.CLASSES = tuple(
            f'obj_{obj_id:06d}' for obj_id in sorted({i.obj_id for i in instances})
        )
        self.num_symmetries = max(len(self.model(i).symmetries) for i in instances)
        self.flag = np.zeros(len(self), np.uint8)  # mmdet's sampler groups by aspect ratio
        self._hashes = {obj_id: mesh_hash(model) for obj_id, model in self.models.items()}
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
        image = self._image(str(instance.image))
        if self.test_mode:
            crop = box_crop(
                instance.box, self.resolution, self.grid_size, self.padding, self.limit
            )
            return stacked_crops(
                image,
                [self._framed(c, image) for c in neighbouring_crops(crop, self.test_crops)],
                instance,
                self.models,
            )
        rng = np.random.mtrand._rand  # seeded per worker by mmdet
        crop = jittered_crop(
            instance.box,
            self.resolution,
            self.grid_size,
            rng,
            self.padding,
            limit=self.limit,
            **self.jitter,
        )
        crop = self._framed(crop, image)
        pixels, hidden = self._augmented(image, instance, crop, rng)
        return {
            'img': to_tensor(pixels),
            **crop_fields(crop, instance, self.models),
            **self._targets(instance, image.shape[:2], crop, hidden),
        }

    def _framed(self, crop: Crop, image: np.ndarray) -> Crop | OfficialCrop:
        if not self.official_grid:
            return crop
        height, width = image.shape[:2]
        return official_crop(crop, (width, height), self.fix_overhang)

    def _augmented(
        self, image: np.ndarray, instance: Instance, crop: Crop, rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of a training crop, and where something was put over the object."""
        pixels = crop.cut(image)
        if self.backgrounds is not None and rng.uniform() < self.background_prob:
            alpha = crop.cut(self._visible(instance, image.shape[:2])) / 255
            pixels = paste(pixels, self.backgrounds.draw(self.resolution, rng), alpha)
        hidden = np.zeros(pixels.shape[:2], bool)
        if rng.uniform() < self.occlusion:
            hidden = random_occluder(self.resolution, rng, 0.5)
            cover = rng.randint(0, 256, (1, 1, 3), np.uint8)
            if self.backgrounds is not None:
                cover = self.backgrounds.draw(self.resolution, rng)
            pixels = np.where(hidden[..., None], cover, pixels)
        if self.color:
            pixels = random_colors(pixels, rng, self.color)
        return pixels, hidden

    def _targets(
        self, instance: Instance, size: tuple[int, int], crop: Crop, hidden: np.ndarray
    ) -> dict[str, torch.Tensor]:
        model = self.model(instance)
        mask = crop.cut(self._visible(instance, size), self.grid_size).astype(np.float32) / 255
        shrunk = cv2.resize(hidden.astype(np.float32), mask.shape[::-1], interpolation=cv2.INTER_AREA)
        mask = mask * (1 - shrunk)
        shape = (self.grid_size, self.grid_size, 3)
        points = np.zeros(shape, np.float32)
        if self.coordinate_maps is not None:
            found = load_map(map_path(self.coordinate_maps, instance))
            corner = (found.left, found.top)
            points = denoise_edges(found.points) if self.denoise else found.points
            points = crop.cut(points, self.grid_size, smooth=False, corner=corner)
            mask = mask * (points != 0).any(2)
        symmetries = model.symmetries if self.symmetric else model.symmetries[:1]
        count = self.num_symmetries if self.symmetric else 1
        symmetries = [symmetries[min(k, len(symmetries) - 1)] for k in range(count)]
        poses, maps = [], []
        for symmetry in symmetries:
            rotation = instance.rotation @ symmetry[:3, :3]
            translation = instance.rotation @ symmetry[:3, 3] + instance.translation
            poses.append(np.concatenate([translation, quaternion(rotation)]))
            equivalent = (points - symmetry[:3, 3]) @ symmetry[:3, :3]
            maps.append((equivalent - model.center) / model.half_extents)
        return {
            'poses': torch.from_numpy(np.stack(poses)).float(),
            'noc': torch.from_numpy(np.stack(maps)).float().permute(0, 3, 1, 2),
            'mask': torch.from_numpy(mask).float(),
        }

    def _visible(self, instance: Instance, size: tuple[int, int]) -> np.ndarray:
        return read_mask(instance, size, self._mask)

    def _check_maps(self) -> None:
        """Raises where a map is missing or stale, before training starts."""
        for instance in self.instances:
            key = fingerprint(self._hashes[instance.obj_id], instance)
            if load_map(map_path(self.coordinate_maps, instance), key) is None:
                raise FileNotFoundError(
                    f'{self.coordinate_maps} has no up-to-date map of {instance.key}: '
                    'run tools/prepare_lm.py'
                )

    def evaluate(self, results: list[dict], metric: object = None, **_) -> dict[str, float]:
        """Accuracies of results of `ObjectPoseEstimator`, in percent."""
        from ..evaluation import evaluate_results

        return evaluate_results(results, self.instances, self.models)


def _read_ids(path: str, name: str) -> list[int]:
    lists = json.loads(Path(path).read_text())
    if name not in lists:
        raise ValueError(f'{path} has no list {name!r}; it has {sorted(lists)}')
    return lists[name]


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion (w, x, y, z) of a rotation matrix, w not negative."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    return np.array([w, x, y, z]) * (1 if w >= 0 else -1)


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """BGR in 0..1, (3, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


def crop_fields(
    crop: Crop, instance: Instance, models: dict[int, ObjectModel]
) -> dict[str, torch.Tensor]:
    """The fields of `Crops` for one crop."""
    model = models[instance.obj_id]
    arrays = {
        'grid': crop.grid(),
        'cell': np.array(crop.cell),
        'cam2img': crop.cam2img(instance.cam2img),
        'half_extents': model.half_extents,
        'center': model.center,
    }
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}


def stacked_crops(
    image: np.ndarray,
    crops: list[Crop | OfficialCrop],
    instance: Instance,
    models: dict[int, ObjectModel],
) -> dict[str, torch.Tensor]:
    """``img`` and the fields of `Crops` for the crops of one object, stacked: (V, ...)."""
    fields = [crop_fields(crop, instance, models) for crop in crops]
    stacked = {name: torch.stack([field[name] for field in fields]) for name in fields[0]}
    return {'img': torch.stack([to_tensor(crop.cut(image)) for crop in crops]), **stacked}

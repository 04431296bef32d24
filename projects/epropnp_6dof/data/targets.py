"""Tensors of a crop: what the network sees, and what it should say."""

from __future__ import annotations

import numpy as np
import torch

from ..crops import AnyCrop
from ..objects.instances import Instance
from ..objects.models import ObjectModel
from ..objects.poses import quaternion


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """BGR in 0..1, (3, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


def crop_fields(crop: AnyCrop, instance: Instance, model: ObjectModel) -> dict[str, torch.Tensor]:
    """The fields of `Crops` for one crop."""
    arrays = {
        'grid': crop.grid(),
        'cell': np.array(crop.cell),
        'cam2img': crop.cam2img(instance.cam2img),
        'half_extents': model.half_extents,
        'center': model.center,
    }
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}


def stacked_crops(
    image: np.ndarray, crops: list[AnyCrop], instance: Instance, model: ObjectModel
) -> dict[str, torch.Tensor]:
    """``img`` and the fields of `Crops` for the crops of one object, stacked: (V, ...)."""
    fields = [crop_fields(crop, instance, model) for crop in crops]
    stacked = {name: torch.stack([field[name] for field in fields]) for name in fields[0]}
    return {'img': torch.stack([to_tensor(crop.cut(image)) for crop in crops]), **stacked}


def pose_targets(
    instance: Instance, model: ObjectModel, points: np.ndarray, mask: np.ndarray, count: int = 1
) -> dict[str, torch.Tensor]:
    """The fields of `Targets` for one crop.

    Args:
        instance: With the annotated pose.
        model: Of the object.
        points: Object-frame points that the cells see, metres, (g, g, 3).
        mask: Share of the object in each cell, (g, g).
        count: Equivalent poses to give; those of an object with fewer come again and again.
    """
    poses, maps = [], []
    for k in range(count):
        symmetry = model.symmetries[k % len(model.symmetries)]
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

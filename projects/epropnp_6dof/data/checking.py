"""What is wrong with pose annotations: units, extents, frames, intrinsics.

Each mesh is projected as it is annotated and put beside its mask (or else its box). Where the two
do not meet, the usual mistakes are taken back one by one; the one that makes them meet is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..objects.instances import Instance
from ..objects.models import Mesh, ObjectModel
from ..objects.surfaces import render_surface
from .images import read_mask

LEAST_OVERLAP = 0.7
"""Intersection over union of the projected mesh and its annotation where an object is visible."""
CLEAR_VISIBILITY = 0.85
"""Share that must be visible for its mask to say something."""
_FLIP = np.diag([1.0, -1.0, -1.0])


class Finding(NamedTuple):
    """What was found about one object's annotations.

    Attributes:
        obj_id: The object.
        checked: Annotations that were looked at.
        wrong: How many of them do not meet their masks.
        reasons: What explains them, most frequent first, with counts.
    """

    obj_id: int
    checked: int
    wrong: int
    reasons: tuple[tuple[str, int], ...]


def _scaled(instance: Instance, factor: float) -> Instance:
    return instance._replace(translation=instance.translation * factor)


def _with_rotation(instance: Instance, rotation: np.ndarray) -> Instance:
    return instance._replace(rotation=rotation)


def _inverse(instance: Instance) -> Instance:
    return instance._replace(
        rotation=instance.rotation.T, translation=-instance.rotation.T @ instance.translation
    )


def _zoomed(instance: Instance, factor: float) -> Instance:
    return instance._replace(cam2img=np.diag([factor, factor, 1.0]) @ instance.cam2img)


MISTAKES: dict[str, Callable[[Instance], Instance]] = {
    'translations are in metres, BOP has millimetres': lambda i: _scaled(i, 1000.0),
    'translations are in micrometres or scaled twice': lambda i: _scaled(i, 0.001),
    'translations are in centimetres, BOP has millimetres': lambda i: _scaled(i, 10.0),
    'rotations are transposed (row-major read as column-major)': lambda i: _with_rotation(
        i, i.rotation.T
    ),
    'poses are camera to object, BOP has object to camera': _inverse,
    'poses are in the OpenGL camera frame (y up, z backward)': lambda i: i._replace(
        rotation=_FLIP @ i.rotation, translation=_FLIP @ i.translation
    ),
    'intrinsics are those of images half the size': lambda i: _zoomed(i, 2.0),
    'intrinsics are those of images twice the size': lambda i: _zoomed(i, 0.5),
}
"""How to take back each usual mistake."""


def overlap(instance: Instance, mesh: Mesh, image_size: tuple[int, int]) -> float:
    """Intersection over union of the projected mesh and the annotated mask, or else their boxes.

    Args:
        instance: The annotation.
        mesh: Of its object, metres.
        image_size: Width and height in pixels.
    """
    seen = mesh.vertices @ instance.rotation.T + instance.translation
    if seen[:, 2].min() <= 1e-6:
        return 0.0
    return (
        _box_overlap(instance, seen, image_size)
        if instance.mask is None
        else _mask_overlap(instance, mesh, image_size)
    )


def _box_overlap(instance: Instance, seen: np.ndarray, image_size: tuple[int, int]) -> float:
    pixels = seen @ instance.cam2img.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    found = np.concatenate([pixels.min(axis=0) - 0.5, pixels.max(axis=0) + 0.5])
    found = np.clip(found, -0.5, np.tile(image_size, 2) - 0.5)
    x, y, width, height = instance.box
    wanted = np.array([x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5])
    common = np.minimum(found[2:], wanted[2:]) - np.maximum(found[:2], wanted[:2])
    shared = float(np.prod(np.clip(common, 0, None)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (found, wanted)]
    return shared / max(sum(areas) - shared, 1e-12)


def _mask_overlap(instance: Instance, mesh: Mesh, image_size: tuple[int, int]) -> float:
    wanted = read_mask(instance, image_size[::-1]) > 0
    pose = (instance.rotation, instance.translation, instance.cam2img)
    surface = render_surface(mesh, *pose, image_size)
    height, width = surface.hit.shape
    part = wanted[surface.top : surface.top + height, surface.left : surface.left + width]
    shared = int((part & surface.hit).sum())
    return shared / max(int(wanted.sum()) + int(surface.hit.sum()) - shared, 1)


def explain(instance: Instance, mesh: Mesh, image_size: tuple[int, int]) -> str | None:
    """None where an annotation meets its mask, else the mistake that explains it.

    Args:
        instance: The annotation.
        mesh: Of its object, metres.
        image_size: Width and height in pixels.
    """
    if overlap(instance, mesh, image_size) >= LEAST_OVERLAP:
        return None
    if not np.allclose(instance.rotation @ instance.rotation.T, np.eye(3), atol=1e-3):
        return 'rotations are not orthonormal'
    mended = {name: overlap(undo(instance), mesh, image_size) for name, undo in MISTAKES.items()}
    best = max(mended, key=mended.__getitem__)
    if mended[best] >= LEAST_OVERLAP:
        return best
    return 'the projected mesh misses its mask, and no usual mistake explains it'


def check_model(model: ObjectModel, mesh: Mesh) -> list[str]:
    """Compares an entry of ``models_info.json`` with its mesh.

    Args:
        model: The entry.
        mesh: Read as millimetres.

    Returns:
        One line per fault; empty where they agree.
    """
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    size, stated = high - low, 2 * model.half_extents
    ratio = float(np.linalg.norm(size) / max(np.linalg.norm(stated), 1e-12))
    name = f'object {model.obj_id}'
    if not 0.005 < model.diameter < 5:
        return [f'{name}: a diameter of {1000 * model.diameter:g} mm; BOP has millimetres']
    if not 0.5 < ratio < 2:
        units = {1e-3: 'metres', 0.1: 'centimetres', 1 / 25.4: 'inches', 1e3: 'micrometres'}
        near = min(units, key=lambda factor: abs(np.log(ratio / factor)))
        known = abs(np.log(ratio / near)) < 0.3
        hint = f'; is the mesh in {units[near]}? BOP has millimetres' if known else ''
        return [f'{name}: the mesh is {ratio:.4g} times as large as models_info.json says{hint}']
    faults = []
    if np.abs(size - stated).max() > 0.02 * stated.max():
        order = np.argsort(size), np.argsort(stated)
        swapped = np.allclose(np.sort(size), np.sort(stated), rtol=0.02)
        turned = swapped and not np.array_equal(*order)
        hint = '; are its axes exchanged?' if turned else ''
        faults.append(
            f'{name}: extents are {1000 * size} mm, models_info.json has {1000 * stated}{hint}'
        )
    elif np.abs((high + low) / 2 - model.center).max() > 0.02 * stated.max():
        faults.append(
            f'{name}: the mesh is centred at {1000 * (high + low) / 2} mm, '
            f'models_info.json has {1000 * model.center}: another origin'
        )
    span = float(np.linalg.norm(size))
    if not 0.5 * span < model.diameter < 1.02 * span:
        faults.append(
            f'{name}: a diameter of {1000 * model.diameter:.1f} mm does not fit extents of '
            f'{1000 * size} mm'
        )
    return faults


def check_poses(
    instances: Sequence[Instance], meshes: Mapping[int, Mesh], image_sizes: Sequence[tuple]
) -> list[Finding]:
    """Looks at all annotations of clearly visible objects.

    Args:
        instances: Annotations.
        meshes: By object.
        image_sizes: Width and height of the image of each annotation.

    Returns:
        One finding per object.
    """
    reasons: dict[int, Counter] = {obj_id: Counter() for obj_id in meshes}
    checked: Counter = Counter()
    for instance, size in zip(instances, image_sizes):
        if instance.visibility < CLEAR_VISIBILITY:
            continue
        checked[instance.obj_id] += 1
        reason = explain(instance, meshes[instance.obj_id], size)
        if reason is not None:
            reasons[instance.obj_id][reason] += 1
    return [
        Finding(obj_id, checked[obj_id], sum(found.values()), tuple(found.most_common()))
        for obj_id, found in reasons.items()
    ]

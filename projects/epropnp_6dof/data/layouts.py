"""The two layouts of files, read alike."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..objects.instances import Instance
from ..objects.models import ObjectModel, read_models
from .bop import read_bop
from .official import read_official, read_official_models

LAYOUTS = ('bop', 'official')


def read_layout(
    layout: str,
    split: str | Path,
    models: str | Path,
    obj_ids: Collection[int] | None = None,
    image_ids: Collection[int] | None = None,
    min_visibility: float = 0.0,
    detections: bool = False,
) -> tuple[list[Instance], dict[int, ObjectModel]]:
    """All annotated objects of a split, and the models.

    Args:
        layout: One of `LAYOUTS`.
        split: Folder of the scenes (BOP), or of the objects such as ``real_train`` (official).
        models: Folder of the models.
        obj_ids: Objects to keep; None for all.
        image_ids: Images to keep, in BOP's numbers; None for all.
        min_visibility: Least visible share, which BOP's files tell.
        detections: Whether boxes are the detections of the official files.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If there is no such layout, nothing is left, or an object has no model.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be 'bop' or 'official', got {layout!r}")
    if layout == 'bop':
        instances = read_bop(split, image_ids, obj_ids, min_visibility)
        known = read_models(models)
    else:
        instances = read_official(split, obj_ids, image_ids, detections)
        known = read_official_models(models)
    if not instances:
        raise ValueError(f'{split}: no object of {obj_ids} in the images asked for')
    unknown = {instance.obj_id for instance in instances} - set(known)
    if unknown:
        raise ValueError(f'{models} has no object {sorted(unknown)}')
    return instances, known

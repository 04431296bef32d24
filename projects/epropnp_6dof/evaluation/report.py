"""Accuracies per object and their mean, from results to one flat table of numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..objects.instances import Instance
from ..objects.models import ObjectModel
from ..objects.poses import pose_matrices
from . import metrics
from .accuracy import (
    ADD_THRESHOLDS,
    PIXEL_THRESHOLDS,
    POSE_THRESHOLDS,
    accuracy,
    area_under_curve,
    average_recall,
    pose_table,
)

EGGBOX = 10
"""The one object whose half turn the official pose and projection metrics allow for."""
MAX_POINTS = 2000
"""Points of a model for MSSD and MSPD, whose maximum a dense sample gives."""


class Errors(NamedTuple):
    """Errors of the poses of one object; infinite where it was missed. All (n,).

    Attributes:
        add: ADD, or ADD-S of a symmetric object, per diameter.
        projection: Pixels.
        rotation: Degrees.
        translation: Metres.
        mssd: Per diameter.
        mspd: Pixels.
    """

    add: np.ndarray
    projection: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    mssd: np.ndarray
    mspd: np.ndarray


def pose_errors(
    model: ObjectModel,
    points: np.ndarray,
    estimates: np.ndarray,
    truths: np.ndarray,
    cam2img: np.ndarray,
    found: np.ndarray | None = None,
) -> Errors:
    """Errors of one object's poses.

    Args:
        model: Diameter and symmetries.
        points: Vertices in metres, (N, 3).
        estimates: ``[R t]``, (n, 3, 4).
        truths: (n, 3, 4).
        cam2img: (n, 3, 3).
        found: Which objects have an estimate, (n,); None for all.
    """
    sample = points[np.linspace(0, len(points) - 1, min(len(points), MAX_POINTS)).astype(int)]
    turned = half_turned(estimates, truths) if model.obj_id == EGGBOX else estimates
    distance = metrics.adds if model.symmetric else metrics.add
    errors = Errors(
        distance(points, estimates, truths) / model.diameter,
        metrics.projection_error(points, turned, truths, cam2img),
        metrics.rotation_error(turned, truths),
        metrics.translation_error(turned, truths),
        metrics.mssd(sample, estimates, truths, model.symmetries) / model.diameter,
        metrics.mspd(sample, estimates, truths, cam2img, model.symmetries),
    )
    if found is None:
        return errors
    return Errors(*(np.where(found, np.nan_to_num(error, nan=np.inf), np.inf) for error in errors))


def half_turned(estimates: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Estimates turned by 180 degrees about the object's z axis where that is nearer."""
    far = metrics.rotation_error(estimates, truths) > 90
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    return np.where(far[:, None, None], estimates @ turn, estimates)


def summary(errors: Errors, width: float = 640.0) -> dict[str, float]:
    """All accuracies of one object in percent, and medians.

    Args:
        errors: Of the object.
        width: Of the images, for the thresholds of MSPD.
    """
    table = {f'ADD {t}d': accuracy(errors.add, t) for t in ADD_THRESHOLDS}
    table['ADD mean'] = float(np.mean(list(table.values())))
    table['ADD AUC'] = area_under_curve(errors.add, 0.1)
    table.update({f'projection {t}px': accuracy(errors.projection, t) for t in PIXEL_THRESHOLDS})
    table['projection AUC'] = area_under_curve(errors.projection, 50)
    poses = pose_table(errors.rotation, errors.translation)
    for n, row in zip(('mean', *POSE_THRESHOLDS), poses):
        table.update({f'{n}deg': row[0], f'{n}cm': row[1], f'{n}deg {n}cm': row[2]})
    fractions = np.arange(1, 11) / 20
    table['MSSD AR'] = average_recall(errors.mssd, fractions)
    table['MSPD AR'] = average_recall(errors.mspd, 100 * fractions * width / 640)
    table['rotation median (deg)'] = float(np.median(errors.rotation))
    table['translation median (mm)'] = float(1000 * np.median(errors.translation))
    return {name: float(value) for name, value in table.items()}


def result_errors(
    results: list[dict], instances: list[Instance], models: dict[int, ObjectModel]
) -> dict[int, Errors]:
    """Errors per object of results of `ObjectPoseEstimator`, in the order of ``instances``."""
    if len(results) != len(instances):
        raise ValueError(f'{len(results)} results for {len(instances)} objects')
    table = {}
    for obj_id in sorted({instance.obj_id for instance in instances}):
        chosen = [k for k, instance in enumerate(instances) if instance.obj_id == obj_id]
        found = [bool(results[k]['valid']) and instances[k].score > 0 for k in chosen]
        estimates = pose_matrices(np.stack([results[k]['pose'] for k in chosen]))
        truths = [np.c_[instances[k].rotation, instances[k].translation] for k in chosen]
        table[obj_id] = pose_errors(
            models[obj_id],
            models[obj_id].mesh().vertices,
            estimates,
            np.stack(truths),
            np.stack([instances[k].cam2img for k in chosen]),
            np.array(found),
        )
    return table


def evaluate_results(
    results: list[dict], instances: list[Instance], models: dict[int, ObjectModel]
) -> dict[str, float]:
    """Accuracies of every object, ``OBJECT/METRIC``, and their plain mean, ``mean/METRIC``."""
    return accuracies(result_errors(results, instances, models))


def accuracies(errors: dict[int, Errors]) -> dict[str, float]:
    """Accuracies of errors per object, as :func:`evaluate_results` gives them."""
    tables = {f'{obj_id:06d}': summary(found) for obj_id, found in errors.items()}
    mean = {
        name: float(np.mean([table[name] for table in tables.values()]))
        for name in next(iter(tables.values()))
    }
    flat = {f'mean/{name}': value for name, value in mean.items()}
    for obj_id, table in tables.items():
        flat.update({f'{obj_id}/{name}': value for name, value in table.items()})
    return flat

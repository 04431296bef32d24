"""The ten detection classes: nuScenes category, size prior, attributes and solid model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...rendering.meshes import Mesh, fit
from . import models, models_small

# Means and standard deviations of length, height, width (docs/method.md 2.5).
_PRIORS = {
    'car': ((4.62, 1.73, 1.96), (0.46, 0.24, 0.16)),
    'truck': ((6.94, 2.84, 2.52), (2.11, 0.84, 0.45)),
    'trailer': ((12.56, 3.89, 2.94), (4.50, 0.77, 0.54)),
    'bus': ((11.22, 3.50, 2.95), (2.06, 0.49, 0.33)),
    'construction_vehicle': ((6.68, 3.21, 2.85), (3.23, 0.93, 1.07)),
    'bicycle': ((1.70, 1.29, 0.61), (0.26, 0.35, 0.16)),
    'motorcycle': ((2.11, 1.46, 0.78), (0.33, 0.29, 0.17)),
    'pedestrian': ((0.73, 1.77, 0.67), (0.19, 0.19, 0.14)),
    'traffic_cone': ((0.41, 1.08, 0.41), (0.14, 0.27, 0.13)),
    'barrier': ((0.50, 0.99, 2.52), (0.17, 0.15, 0.62)),
}
# In the order of the official table, which is not that of labels.
ATTRIBUTES = (
    'vehicle.moving',
    'vehicle.stopped',
    'vehicle.parked',
    'cycle.with_rider',
    'cycle.without_rider',
    'pedestrian.sitting_lying_down',
    'pedestrian.standing',
    'pedestrian.moving',
)
VEHICLES = ('car', 'truck', 'trailer', 'bus', 'construction_vehicle')
CYCLES = ('bicycle', 'motorcycle')


class Shape(NamedTuple):
    """What an object looks like.

    Attributes:
        size: `(3,)` length, width, height in metres.
        mesh: triangles in the object frame that fill the box exactly.
    """

    size: np.ndarray
    mesh: Mesh


def sample_size(name: str, attribute: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a plausible size.

    Args:
        name: detection class.
        attribute: nuScenes attribute; a rider makes a cycle taller, one who sits is lower.
        rng: source of randomness.

    Returns:
        `(3,)` length, width, height in metres.
    """
    mean, std = (np.array(v) for v in _PRIORS[name])
    common, own = rng.normal(size=1), rng.normal(size=3)
    deviation = 1.4 * np.tanh((0.8 * common + 0.4 * own) / 1.2)  # in standard deviations, bounded
    length, height, width = mean + std * deviation
    if name in CYCLES:
        with_rider = attribute == 'cycle.with_rider'
        height = rng.uniform(1.55, 1.8) if with_rider else rng.uniform(1.0, 1.15)
    elif attribute == 'pedestrian.sitting_lying_down':
        length, height = rng.uniform(0.75, 0.95), rng.uniform(1.15, 1.3)
    elif attribute == 'pedestrian.standing':
        length *= 0.75
    return np.array([length, width, height])


def make_shape(name: str, attribute: str, size: np.ndarray, rng: np.random.Generator) -> Shape:
    """Draw colours and variant of an object.

    Args:
        name: detection class.
        attribute: nuScenes attribute, or an empty string.
        size: `(3,)` length, width, height in metres.
        rng: source of randomness.

    Returns:
        A shape whose mesh fills its box.
    """
    if name == 'pedestrian':
        mesh = models_small.pedestrian(*size, rng, pose=attribute.split('.')[1])
    elif name in CYCLES:
        rider = attribute == 'cycle.with_rider'
        mesh = getattr(models_small, name)(*size, rng, rider=rider)
    elif name in ('traffic_cone', 'barrier'):
        mesh = getattr(models_small, name)(*size, rng)
    else:
        builder = 'construction' if name == 'construction_vehicle' else name
        mesh = getattr(models, builder)(*size, rng)
    return Shape(size, fit(mesh, size))

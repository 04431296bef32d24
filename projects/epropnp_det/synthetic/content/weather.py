"""Dusk, night and rain: what they do to the light of a scene."""

from __future__ import annotations

import numpy as np

from .conditions import Conditions
from .world import Light

_RAIN_HAZE = 110.0  # metres until 63 % of an object's colour is lost


def change_light(light: Light, conditions: Conditions) -> Light:
    """The light of a day, turned into that of a scene's conditions.

    Args:
        light: daylight; its seed is that of everything drawn here, so that a scene by night has
            the same street and objects as by day.
        conditions: of the scene.

    Returns:
        The light.
    """
    rng = np.random.default_rng([light.seed, 1])
    if conditions.rain:
        light = _overcast(light, rng)
    if conditions.dark:
        light = _dark(light, conditions, rng)
    return light


def _overcast(light: Light, rng: np.random.Generator) -> Light:
    grey = np.array([0.60, 0.63, 0.66]) * rng.uniform(0.85, 1.0)
    sky = np.array([0.62, 0.65, 0.69]) * rng.uniform(0.85, 1.05)
    return light._replace(
        sun=np.full(3, 0.03),
        sky=sky,
        ground=0.35 * sky,
        zenith=0.8 * grey,
        haze=grey,
        clouds=1.0,
        cloud=float(0.85 * grey.mean()),
        shadow=1.0,
        haze_range=_RAIN_HAZE * rng.uniform(0.7, 1.3),
        wet=1.0,
    )


def _dark(light: Light, conditions: Conditions, rng: np.random.Generator) -> Light:
    """No sun; a band of light is left over the horizon at dusk, the glow of the town by night."""
    if conditions.night:
        sky, zenith = np.array([0.055, 0.06, 0.08]), np.array([0.012, 0.016, 0.035])
        haze, cloud = np.array([0.060, 0.056, 0.062]), 0.05
    else:
        sky, zenith = np.array([0.20, 0.22, 0.29]), np.array([0.13, 0.19, 0.36])
        haze, cloud = np.array([0.58, 0.42, 0.36]), 0.30
    if conditions.rain:
        haze = haze.mean() * np.array([0.75, 0.77, 0.82])
        zenith = 0.7 * haze
    sky = sky * rng.uniform(0.8, 1.3)
    return light._replace(
        sun=np.zeros(3),
        sky=sky,
        ground=0.5 * sky,
        zenith=zenith,
        haze=haze,
        clouds=1.0 if conditions.rain else rng.uniform(0.2, 0.6),
        cloud=cloud,
        shadow=1.0,
        glow=1.0 if conditions.night else 0.6,
    )

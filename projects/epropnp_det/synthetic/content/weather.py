"""Dusk, night and rain: what they do to the light of a scene and to the pictures of a camera."""

from __future__ import annotations

import cv2
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


def _bloom(image: np.ndarray, wet: float) -> np.ndarray:
    """Light that scatters in the lens around lamps, and, on wet days, smears downward."""
    excess = np.clip(image - 0.9, 0, 2.5)
    width = image.shape[1]
    halo = cv2.GaussianBlur(excess, (0, 0), 0.004 * width)
    halo += 0.7 * cv2.GaussianBlur(excess, (0, 0), 0.016 * width)
    if wet:
        sigma = 0.045 * width
        streak = cv2.GaussianBlur(excess, (0, 0), 0.002 * width, sigmaY=sigma)
        shift = np.float32([[1, 0, 0], [0, 1, 1.6 * sigma]])
        halo += 1.1 * wet * cv2.warpAffine(streak, shift, (width, image.shape[0]))
    return image + 0.55 * halo


def _streaks(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Falling drops, blurred by exposure: faint strokes `(H, W)` that lean one way."""
    height, width = shape
    strokes = np.zeros(shape, np.uint8)
    lean, count = rng.uniform(-0.15, 0.15), rng.integers(120, 300)
    starts = rng.uniform((-0.1 * width, -0.1 * height), (1.1 * width, height), (count, 2))
    lengths, tones = rng.uniform(0.02, 0.09, count) * height, rng.integers(20, 95, count)
    for (x, y), length, tone in zip(starts, lengths, tones.tolist()):
        ends = [
            (round(16 * u), round(16 * v)) for u, v in ((x, y), (x + lean * length, y + length))
        ]
        thickness = max(1, round(width / 1200))
        cv2.line(strokes, *ends, tone, thickness, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(strokes, (0, 0), 0.0008 * width + 0.3).astype(np.float32) / 255


def _drops(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drops on the lens: round spots that show a blurred, slightly brighter picture."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(3, 12)):
        center = rng.uniform(0, 1, 2) * (width, height)
        radius = rng.uniform(0.006, 0.03) * width
        where = tuple(round(16 * v) for v in center)  # cv2 wants sixteenths of a pixel
        cv2.circle(mask, where, round(16 * radius), 255, -1, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.003 * width).astype(np.float32)[..., None] / 255
    blurred = cv2.GaussianBlur(image, (0, 0), 0.012 * width)
    return image + 0.9 * soft * (1.08 * blurred - image)


def expose(
    image: np.ndarray, conditions: Conditions, light: Light, rng: np.random.Generator
) -> np.ndarray:
    """What the camera makes of a picture in the dark and in the rain.

    Args:
        image: `(H, W, 3)` float32 RGB, lamps above 1.
        conditions: of the scene.
        light: of the scene.
        rng: source of drops, streaks and noise.

    Returns:
        `(H, W, 3)` float32 RGB, not yet clipped.
    """
    if conditions.dark:
        image = _bloom(image, light.wet)
        image = 1.06 * (1 - np.exp(-1.35 * image))  # film: lamps saturate gently
    if conditions.rain:
        grey = image.mean(2, keepdims=True)
        image = 0.62 * image + 0.38 * grey
        brightness = np.float32(0.75 * light.haze.mean())
        image = 1.12 * image + _streaks(image.shape[:2], rng)[..., None] * (0.06 + 0.5 * brightness)
        image = _drops(image, rng)
    if conditions.night:  # the sensor's gain is up: noise, and more of it where light is
        sigma = rng.uniform(0.012, 0.022) + 0.035 * np.sqrt(np.clip(image, 0, 1))
        image = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
    return image.astype(np.float32)

"""Dusk, night and rain: what they do to the pictures of a camera."""

from __future__ import annotations

import cv2
import numpy as np

from ..content.conditions import Conditions
from ..content.world import Light


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

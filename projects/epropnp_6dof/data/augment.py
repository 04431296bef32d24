"""Changes of a training crop that leave the pose as it is (docs/method_6dof.md 3, X24)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')


class Backgrounds:
    """Random windows of the images in some folders.

    Args:
        folders: Searched with all their sub-folders.
        max_kept: Decoded images to keep in memory.

    Raises:
        FileNotFoundError: If a folder holds no image.
    """

    def __init__(self, folders: str | Sequence[str], max_kept: int = 200) -> None:
        self.files: list[Path] = []
        for folder in [folders] if isinstance(folders, (str, Path)) else folders:
            paths = Path(folder).rglob('*')
            files = [path for path in sorted(paths) if path.suffix.lower() in IMAGE_SUFFIXES]
            if not files:
                raise FileNotFoundError(f'no image in {folder}, which should hold backgrounds')
            self.files += files
        self.max_kept = max_kept
        self._kept: dict[int, np.ndarray] = {}

    def draw(self, side: int, rng: np.random.RandomState) -> np.ndarray:
        """A random square window of a random image, (side, side, 3) uint8."""
        image = self._image(rng.randint(len(self.files)))
        height, width = image.shape[:2]
        shorter = min(height, width)
        window = int(shorter * rng.uniform(min(0.15, side / shorter), 1)) or 1
        top, left = rng.randint(height - window + 1), rng.randint(width - window + 1)
        patch = image[top : top + window, left : left + window]
        shrink = cv2.INTER_AREA if window > side else cv2.INTER_LINEAR
        return cv2.resize(patch, (side, side), interpolation=shrink)

    def _image(self, index: int) -> np.ndarray:
        if index not in self._kept:
            image = cv2.imread(str(self.files[index]), cv2.IMREAD_COLOR)
            if image is None:
                raise ValueError(f'{self.files[index]} is no image')
            if len(self._kept) >= self.max_kept:
                self._kept.pop(next(iter(self._kept)))
            scale = 640 / max(image.shape[:2])
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self._kept[index] = image
        return self._kept[index]


class Augmentation:
    """What is done to the pixels of a training crop.

    Args:
        backgrounds: Folders of images.
        background_prob: Probability that the background is replaced.
        color: Strength of the change of colours.
        occlusion: Probability that something hides a part.
    """

    def __init__(
        self,
        backgrounds: str | Sequence[str] | None = None,
        background_prob: float = 0.5,
        color: float = 0.0,
        occlusion: float = 0.0,
    ) -> None:
        self.backgrounds = Backgrounds(backgrounds) if backgrounds else None
        self.background_prob = background_prob
        self.color, self.occlusion = color, occlusion

    def __call__(
        self,
        pixels: np.ndarray,
        visible: Callable[[], np.ndarray],
        rng: np.random.RandomState,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Changes a crop.

        Args:
            pixels: BGR, (S, S, 3).
            visible: Gives the share of the object in each pixel, (S, S) in 0..1.
            rng: Source of the draws.

        Returns:
            Pixels, and where something was put over the object, (S, S) bool.
        """
        side = len(pixels)
        if self.backgrounds is not None and rng.uniform() < self.background_prob:
            pixels = paste(pixels, self.backgrounds.draw(side, rng), visible())
        hidden = np.zeros(pixels.shape[:2], bool)
        if rng.uniform() < self.occlusion:
            hidden = random_occluder(side, rng, 0.5)
            cover = rng.randint(0, 256, (1, 1, 3), np.uint8)
            if self.backgrounds is not None:
                cover = self.backgrounds.draw(side, rng)
            pixels = np.where(hidden[..., None], cover, pixels)
        if self.color:
            pixels = random_colors(pixels, rng, self.color)
        return pixels, hidden


def paste(image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The object of an image over a background; ``alpha`` (h, w) in 0..1."""
    share = alpha[..., None].astype(np.float32)
    return (image * share + background * (1 - share) + 0.5).astype(np.uint8)


def random_colors(image: np.ndarray, rng: np.random.RandomState, strength: float) -> np.ndarray:
    """Other light, other camera: gains, contrast, gamma, saturation, blur, noise.

    Args:
        image: BGR uint8.
        rng: Source of the draws.
        strength: 1 for strong changes, 0 for none.
    """
    gain = (1 + strength * rng.uniform(-0.25, 0.25, 3)) * (1 + strength * rng.uniform(-0.35, 0.35))
    saturation = 1 + strength * rng.uniform(-0.5, 0.5)
    contrast = 1 + strength * rng.uniform(-0.3, 0.3)
    gamma = 1 + strength * rng.uniform(-0.3, 0.3)
    # All but gamma is one affine map of colours: x -> matrix x + shift.
    matrix = saturation * np.eye(3) + (1 - saturation) / 3
    matrix = contrast * matrix * gain
    mean = cv2.mean(image)[:3] * gain
    shift = (1 - contrast) * mean.mean()
    x = cv2.transform(image.astype(np.float32), np.c_[matrix, np.full(3, shift)])
    if rng.uniform() < 0.4 * strength:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 1.5))
    if rng.uniform() < 0.5 * strength:
        noise = np.empty(x.shape, np.float32)
        cv2.setRNGSeed(int(rng.randint(2**31)))
        x += cv2.randn(noise, 0, rng.uniform(0, 10))
    curve = 255 * (np.arange(256) / 255) ** gamma
    return cv2.LUT(np.clip(x, 0, 255).round().astype(np.uint8), curve.round().astype(np.uint8))


def random_occluder(side: int, rng: np.random.RandomState, largest: float) -> np.ndarray:
    """An ellipse or a box that hides part of a crop, (side, side) bool.

    Args:
        side: Of the crop.
        rng: Source of the draws.
        largest: Largest length per side of the crop.
    """
    mask = np.zeros((side, side), np.uint8)
    center = tuple(int(value) for value in rng.uniform(0, side, 2))
    axes = tuple(int(value) for value in rng.uniform(0.1, largest, 2) * side / 2 + 1)
    angle = rng.uniform(0, 180)
    if rng.uniform() < 0.5:
        cv2.ellipse(mask, center, axes, angle, 0, 360, 1, -1)
    else:
        corners = cv2.boxPoints((center, (2 * axes[0], 2 * axes[1]), angle))
        cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 1)
    return mask > 0

"""The Monte Carlo posterior of poses, its positions and headings (docs/method.md 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .bev_view import BACKGROUND, CAMERA_TO_BEV, BevCanvas, blank_bev, camera_bev, to_plane
from .canvas import (
    Color,
    check_canvas,
    draw_polygon,
    draw_segments,
    draw_text,
    fill_polygon,
    text_plate,
)
from .palette import GROUND_TRUTH_COLOR, class_color

REGIONS = (0.5, 0.9)
"""Shares of the posterior that lines surround."""
MAX_CELLS = 80
"""Of the grid along each axis on which a density is computed, before it is enlarged."""
YAW_BINS = 72
SOLVED_COLOR = (40, 40, 40)
"""BGR of the solved heading."""
PAPER = (BACKGROUND,) * 3


def sample_shares(log_weights: np.ndarray) -> np.ndarray:
    """Normalised weights of the samples of each object, (n, S); zero where none is finite."""
    log_weights = np.asarray(log_weights, dtype=np.float64)
    if not log_weights.size:
        return np.zeros_like(log_weights)
    finite = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    top = finite.max(axis=1, keepdims=True)
    shares = np.exp(finite - np.where(np.isfinite(top), top, 0.0))
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)


def draw_bev_density(
    samples: np.ndarray,
    log_weights: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float] | None = None,
    cam2img: np.ndarray | None = None,
    image_width: int = 1600,
    max_range: float = 60.0,
    size: tuple[int, int] = (900, 900),
    plane: np.ndarray = CAMERA_TO_BEV,
    canvas: BevCanvas | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Paints where each object may be, from above; ``draw_bev(..., out=...)`` puts boxes on top.

    The samples become a density by a Gaussian kernel that is as long and wide as they are spread.
    Lines surround the smallest regions that hold ``REGIONS`` of it.

    Args:
        samples: Poses ``[x, y, z, yaw]`` in the camera frame, (n, S, 4).
        log_weights: Unnormalised log-weights of the samples, (n, S).
        labels: Class indices, (n,).
        scores: Scores, (n,): a doubtful object is painted faintly. None counts as 1.
        cam2img: Intrinsics; when given, the field of view is shaded. Not used with ``out``.
        image_width: Width in pixels of the image that ``cam2img`` belongs to.
        max_range: Metres ahead that fit on the picture.
        size: Width and height of a new picture in pixels.
        plane: (2, 4) map from the camera frame to metres (right, ahead) of the picture.
        canvas: Scale and origin; by default those of :func:`draw_bev`.
        out: Picture to draw into; by default a new one with rings.

    Returns:
        The picture, BGR uint8.
    """
    if out is not None:
        check_canvas(out)
        size = out.shape[1::-1]
    canvas = camera_bev(size, max_range) if canvas is None else canvas
    if out is None:
        out = blank_bev(canvas, max_range, cam2img, image_width)
    if len(labels) == 0:
        return out
    shares = sample_shares(log_weights)
    strength = np.ones(len(labels)) if scores is None else np.asarray(scores, dtype=np.float64)
    positions = np.asarray(samples, dtype=np.float64)[..., :3]
    pixels = canvas.to_pixels(to_plane(positions, plane))  # (n, S, 2)
    for i in np.argsort(strength, kind='stable'):
        density = position_density(pixels[i], shares[i], canvas)
        if density is not None:
            _paint(out, density, class_color(int(labels[i])), 0.35 + 0.65 * strength[i])
    return out


class Density(NamedTuple):
    """A density on a rectangle of pixels.

    Attributes:
        values: Relative to the peak, (h, w).
        levels: Its value around the smallest region that holds each of ``REGIONS``.
        left: Column of the first pixel.
        top: Row of the first pixel.
    """

    values: np.ndarray
    levels: tuple[float, ...]
    left: int
    top: int


def position_density(pixels: np.ndarray, shares: np.ndarray, canvas: BevCanvas) -> Density | None:
    """Turns weighted points into a density (kernel: half the variance of the normal rule).

    Args:
        pixels: Positions on the picture, (S, 2); those far beyond its borders are left out.
        shares: Their weights, (S,).
        canvas: The picture.

    Returns:
        The density; None where nothing of it lies on the picture.
    """
    size = np.array([canvas.width, canvas.height])
    near = (np.abs(pixels - size / 2) <= 1.5 * size).all(axis=1) & (shares > 0)  # False for NaN
    if not near.any():
        return None
    points, weights = pixels[near], shares[near] / shares[near].sum()
    offsets = points - weights @ points
    effective = 1 / (weights**2).sum()
    kernel = 0.5 * effective ** (-1 / 3) * (weights[:, None] * offsets).T @ offsets
    kernel += max(0.7, 0.1 * canvas.pixels_per_metre) ** 2 * np.eye(2)
    reach = 3 * np.sqrt(np.diag(kernel))
    heavy = points[weights > 1e-3 * weights.max()]
    low = np.floor(np.clip(heavy.min(axis=0) - reach, 0, size)).astype(int)
    high = np.ceil(np.clip(heavy.max(axis=0) + reach, 0, size)).astype(int)
    if (high - low < 2).any():
        return None
    count = np.minimum(high - low, MAX_CELLS)  # columns and rows
    cell = (high - low) / count
    axes = [low[k] + cell[k] * (np.arange(count[k]) + 0.5) for k in range(2)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    whiten = np.linalg.inv(np.linalg.cholesky(kernel)).T
    ours, theirs = grid @ whiten, points @ whiten
    squares = (ours**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * ours @ theirs.T
    values = np.exp(-0.5 * squares.clip(min=0)) @ weights  # (cells,)
    if values.max() < 1e-12:
        return None
    values = values / values.max()
    falling = np.sort(values)[::-1]
    held = np.cumsum(falling) / falling.sum()
    levels = tuple(float(falling[np.searchsorted(held, share)]) for share in REGIONS)
    width, height = (high - low).tolist()
    shown = cv2.resize(values.reshape(count[::-1]), (width, height), interpolation=cv2.INTER_CUBIC)
    return Density(shown.clip(0, 1), levels, int(low[0]), int(low[1]))


def _paint(out: np.ndarray, density: Density, color: Color, strength: float) -> None:
    """Blends a density and the lines around its regions into the picture."""
    values = density.values
    height, width = values.shape
    region = out[density.top : density.top + height, density.left : density.left + width]
    opacity = 0.6 * strength * values
    slope = np.hypot(*np.gradient(values)) + 1e-9
    for level in density.levels:
        line = np.clip(1.5 - np.abs(values - level) / slope, 0, 1)  # about two pixels wide
        opacity = np.maximum(opacity, 0.9 * strength * line)
    opacity = opacity[..., None]
    region[:] = np.round((1 - opacity) * region + opacity * np.array(color))


def draw_orientation_density(
    yaw: np.ndarray,
    log_weights: np.ndarray,
    solved: float | None = None,
    truth: float | None = None,
    label: int = 0,
    title: str = '',
    size: int = 240,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Draws the density of one object's heading as a rose seen from above, camera forward up.

    Args:
        yaw: Yaw of the samples in radians, 0 along camera x, (S,).
        log_weights: Their unnormalised log-weights, (S,).
        solved: The solved yaw, drawn as a line.
        truth: The true yaw, drawn green.
        label: Class index, for the colour.
        title: Written below.
        size: Side in pixels of a new picture.
        out: Picture to draw into; by default a new white one.

    Returns:
        The picture, BGR uint8.
    """
    if out is None:
        out = np.full((size, size, 3), BACKGROUND, dtype=np.uint8)
    check_canvas(out)
    height, width = out.shape[:2]
    middle, reach = np.array([width / 2, 0.46 * height]), 0.42 * min(width, height)
    angle = np.linspace(0, 2 * np.pi, YAW_BINS + 1)
    for share in (0.5, 1.0):
        ring = middle + share * reach * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        draw_segments(out, np.stack([ring[:-1], ring[1:]], axis=1), (205, 205, 205), 1)
    density = yaw_density(yaw, sample_shares(np.asarray(log_weights)[None])[0])
    # Area, not radius, is proportional to the density: a wide mode does not look larger.
    radius = reach * np.sqrt(density / max(density.max(), 1e-12))
    # Yaw turns from camera x (right) to -z (towards the viewer), which is down on the picture.
    centers = (np.arange(YAW_BINS) + 0.5) * 2 * np.pi / YAW_BINS
    rose = middle + radius[:, None] * np.stack([np.cos(centers), np.sin(centers)], axis=1)
    fill_polygon(out, rose, class_color(label), 0.45)
    draw_polygon(out, rose, class_color(label), 1)
    stroke = max(2, round(min(out.shape[:2]) / 150))
    for value, color in ((truth, GROUND_TRUTH_COLOR), (solved, SOLVED_COLOR)):
        if value is not None:
            tip = middle + reach * np.array([np.cos(value), np.sin(value)])
            draw_segments(out, np.stack([middle, tip])[None], color, stroke)
    if title:
        x1, _, x2, _ = text_plate(out, title, (0, 0), 1.0)
        scale = min(0.0022 * height, 0.9 * width / (x2 - x1))
        anchor = (middle[0] - 0.5 * scale * (x2 - x1), height - 2)
        draw_text(out, title, text_plate(out, title, anchor, scale), SOLVED_COLOR, scale, PAPER)
    return out


def yaw_density(yaw: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Density per radian of weighted angles in ``YAW_BINS`` bins from 0 to 2 pi, smoothed."""
    turn = np.asarray(yaw, dtype=np.float64) % (2 * np.pi)
    bins = np.minimum((turn / (2 * np.pi) * YAW_BINS).astype(int), YAW_BINS - 1)
    mass = np.bincount(bins, weights=shares, minlength=YAW_BINS)
    smooth = 0.25 * np.roll(mass, 1) + 0.5 * mass + 0.25 * np.roll(mass, -1)
    return smooth * YAW_BINS / (2 * np.pi)

"""The Monte Carlo posterior of poses, its positions and headings (docs/method.md 7.3)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .bev_view import CAMERA_TO_BEV, BevCanvas, blank_bev, camera_bev, to_plane
from .canvas import check_canvas, draw_polygon, draw_segments, draw_text, fill_polygon, text_plate
from .palette import GROUND_TRUTH_COLOR, class_color

DENSITY_GAIN = 40.0
"""Share of an object's posterior in one pixel that is painted at 1 - exp(-1), times its score."""
YAW_BINS = 72


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
    samples = np.asarray(samples, dtype=np.float64)
    shares = sample_shares(log_weights)
    strength = np.ones(len(labels)) if scores is None else np.asarray(scores, dtype=np.float64)
    pixels = canvas.to_pixels(to_plane(samples[..., :3], plane))  # (n, S, 2)
    for label in np.unique(np.asarray(labels, dtype=int)):
        rows = np.asarray(labels) == label
        mass = _histogram(pixels[rows], shares[rows] * strength[rows, None], canvas)
        opacity = (1 - np.exp(-DENSITY_GAIN * mass))[..., None]
        out[:] = np.round((1 - opacity) * out + opacity * np.array(class_color(int(label))))
    return out


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
        title: Written in the upper left corner.
        size: Side in pixels of a new picture.
        out: Picture to draw into; by default a new white one.

    Returns:
        The picture, BGR uint8.
    """
    if out is None:
        out = np.full((size, size, 3), 250, dtype=np.uint8)
    check_canvas(out)
    height, width = out.shape[:2]
    middle, reach = np.array([width / 2, height / 2]), 0.44 * min(width, height)
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
    for start, end in zip(rose, np.roll(rose, -1, axis=0)):
        fill_polygon(out, np.stack([middle, start, end]), class_color(label), 0.45)
    draw_polygon(out, rose, class_color(label), 1)
    for value, color in ((truth, GROUND_TRUTH_COLOR), (solved, (40, 40, 40))):
        if value is not None:
            tip = middle + reach * np.array([np.cos(value), np.sin(value)])
            draw_segments(out, np.stack([middle, tip])[None], color, 2)
    if title:
        draw_text(out, title, text_plate(out, title, (2, 14), 0.4), (255, 255, 255), 0.4)
    return out


def yaw_density(yaw: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Density per radian of weighted angles in ``YAW_BINS`` bins from 0 to 2 pi, smoothed."""
    turn = np.asarray(yaw, dtype=np.float64) % (2 * np.pi)
    bins = np.minimum((turn / (2 * np.pi) * YAW_BINS).astype(int), YAW_BINS - 1)
    mass = np.bincount(bins, weights=shares, minlength=YAW_BINS)
    smooth = 0.25 * np.roll(mass, 1) + 0.5 * mass + 0.25 * np.roll(mass, -1)
    return smooth * YAW_BINS / (2 * np.pi)


def _histogram(pixels: np.ndarray, shares: np.ndarray, canvas: BevCanvas) -> np.ndarray:
    """Mass per pixel, blurred by about 0.15 m, (H, W)."""
    cells = np.floor(pixels.reshape(-1, 2))
    known = np.isfinite(cells).all(axis=1)
    known &= (cells >= 0).all(axis=1) & (cells < (canvas.width, canvas.height)).all(axis=1)
    columns, rows = cells[known].astype(int).T
    flat = np.bincount(
        rows * canvas.width + columns,
        weights=shares.reshape(-1)[known],
        minlength=canvas.width * canvas.height,
    )
    # numpy counts in integers where nothing is counted, which OpenCV does not blur
    mass = flat.astype(np.float64).reshape(canvas.height, canvas.width)
    sigma = max(0.8, 0.15 * canvas.pixels_per_metre)
    return cv2.GaussianBlur(mass, (0, 0), sigma)

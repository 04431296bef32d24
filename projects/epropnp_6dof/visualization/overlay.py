"""A pose drawn on its image: outline of the model, axes of the object."""

from __future__ import annotations

import cv2
import numpy as np

from epropnp_det.visualization.canvas import CASING_COLOR, draw_segments, text_scale

from ..objects.models import Mesh
from ..objects.surfaces import render_surface

AXIS_COLORS = ((0, 94, 213), (115, 158, 0), (200, 130, 0))
"""BGR of x, y, z: a red, a green and a blue that every kind of sight tells apart."""
OUTLINE_COLOR = (66, 228, 240)


def draw_contour(
    image: np.ndarray,
    mesh: Mesh,
    rotation: np.ndarray,
    translation: np.ndarray,
    cam2img: np.ndarray,
    color: tuple[int, int, int] = OUTLINE_COLOR,
    thickness: int = 1,
) -> np.ndarray:
    """The image with the outline of the mesh at a pose.

    Args:
        image: BGR uint8.
        mesh: In metres.
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        cam2img: (3, 3).
        color: BGR.
        thickness: Pixels.
    """
    height, width = image.shape[:2]
    surface = render_surface(mesh, rotation, translation, cam2img, (width, height))
    found, _ = cv2.findContours(
        surface.hit.astype(np.uint8),
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_NONE,
        offset=(surface.left, surface.top),
    )
    out = image.copy()
    for paint, stroke in ((CASING_COLOR, thickness + 2), (color, thickness)):
        cv2.drawContours(out, found, -1, paint, stroke, cv2.LINE_AA)
    return out


def draw_axes(
    image: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    cam2img: np.ndarray,
    length: float,
    thickness: int = 2,
) -> np.ndarray:
    """The image with the object's axes: x red, y green, z blue, each with its letter.

    Args:
        image: BGR uint8.
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        cam2img: (3, 3).
        length: Of the axes, metres.
        thickness: Pixels.
    """
    ends = np.concatenate([np.zeros((1, 3)), length * np.eye(3)]) @ rotation.T + translation
    out = image.copy()
    if ends[:, 2].min() <= 0:
        return out
    pixels = ends @ cam2img.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    far_first = 1 + np.argsort(-ends[1:, 2])
    for k in far_first:
        # The canvas counts pixels from their edge, LineMOD's intrinsics from the centre.
        segment = pixels[[0, k]] + 0.5
        draw_segments(out, segment[None], AXIS_COLORS[k - 1], thickness, casing=True)
        _letter(out, 'xyz'[k - 1], pixels[k], pixels[k] - pixels[0], AXIS_COLORS[k - 1])
    return out


def _letter(
    out: np.ndarray, letter: str, tip: np.ndarray, direction: np.ndarray, color: tuple
) -> None:
    """Writes a letter a little beyond the tip of an axis."""
    scale = text_scale(out)
    step = direction / max(float(np.linalg.norm(direction)), 1e-9)
    place = tip + 14 * scale * step + np.array([-9, 8]) * scale
    if np.abs(place).max() < 1e6:
        corner = tuple(int(v) for v in place.round())
        for paint, stroke in ((CASING_COLOR, 3), (color, 1)):
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(out, letter, corner, font, scale, paint, stroke, cv2.LINE_AA)

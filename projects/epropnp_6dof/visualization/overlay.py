"""A pose drawn on its image: outline of the model, axes of the object."""

from __future__ import annotations

import cv2
import numpy as np

from ..objects.models import Mesh
from ..objects.surfaces import render_surface

AXIS_COLORS = ((60, 60, 230), (60, 180, 60), (230, 120, 40))
"""BGR of x, y, z."""


def draw_contour(
    image: np.ndarray,
    mesh: Mesh,
    rotation: np.ndarray,
    translation: np.ndarray,
    cam2img: np.ndarray,
    color: tuple[int, int, int] = (80, 220, 80),
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
    return cv2.drawContours(image.copy(), found, -1, color, thickness, cv2.LINE_AA)


def draw_axes(
    image: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    cam2img: np.ndarray,
    length: float,
    thickness: int = 2,
) -> np.ndarray:
    """The image with the object's axes: x red, y green, z blue.

    Args:
        image: BGR uint8.
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        cam2img: (3, 3).
        length: Of the axes, metres.
        thickness: Pixels.
    """
    ends = np.concatenate([np.zeros((1, 3)), length * np.eye(3)]) @ rotation.T + translation
    if ends[:, 2].min() <= 0:
        return image.copy()
    pixels = ends @ cam2img.T
    pixels = [tuple(int(v) for v in p) for p in (pixels[:, :2] / pixels[:, 2:]).round()]
    out = image.copy()
    for end, color in zip(pixels[1:], AXIS_COLORS):
        cv2.line(out, pixels[0], end, color, thickness, cv2.LINE_AA)
    return out

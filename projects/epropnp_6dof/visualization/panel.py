"""Everything about one pose side by side."""

from __future__ import annotations

import cv2
import numpy as np

from ..objects.models import Mesh
from ..objects.poses import ObjectPose
from .maps import coordinate_picture, weight_picture
from .overlay import draw_axes, draw_contour
from .posterior import orientation_sphere, translation_marginals


def pose_panel(
    image: np.ndarray,
    cam2img: np.ndarray,
    pose: ObjectPose,
    mesh: Mesh | None = None,
    diameter: float = 0.1,
    side: int = 256,
) -> np.ndarray:
    """Crop with outline and axes, coordinates, weights and, with samples, the posterior.

    Args:
        image: BGR uint8.
        cam2img: (3, 3).
        pose: From `infer`.
        mesh: For the outline; None for axes alone.
        diameter: Of the object in metres, for the length of the axes.
        side: Of each picture.
    """
    drawn = image
    if mesh is not None:
        drawn = draw_contour(drawn, mesh, pose.rotation, pose.translation, cam2img)
    drawn = draw_axes(drawn, pose.rotation, pose.translation, cam2img, diameter / 2)
    plain = cv2.resize(pose.crop.cut(image).astype(np.uint8), (side, side))
    seen = cv2.resize(pose.crop.cut(drawn, side).astype(np.uint8), (side, side))
    pictures = [seen, coordinate_picture(pose.noc, side), weight_picture(pose.weights, plain)]
    if len(pose.samples):
        sphere = orientation_sphere(pose.samples, pose.sample_weights, pose.rotation, side)
        marginals = translation_marginals(pose.samples, pose.sample_weights, pose.translation, side)
        pictures += [sphere, marginals]
    return np.hstack(pictures)

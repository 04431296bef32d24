"""Everything about one pose side by side."""

from __future__ import annotations

import numpy as np

from epropnp_det.visualization import titled

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
    side: int = 360,
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
    window = pose.crop.cut(image, side).astype(np.uint8)
    # Drawn at the size of the picture, as its camera sees it, so that lines stay fine.
    camera = np.vstack([pose.crop.matrix(side), [0.0, 0.0, 1.0]]) @ cam2img
    seen = window
    if mesh is not None:
        seen = draw_contour(seen, mesh, pose.rotation, pose.translation, camera)
    seen = draw_axes(seen, pose.rotation, pose.translation, camera, diameter / 2)
    pictures = {
        'pose': seen,
        'object coordinates': coordinate_picture(pose.noc, pose.weights, side),
        'weights': weight_picture(pose.weights, window),
    }
    if len(pose.samples):
        posterior = (pose.samples, pose.sample_weights)
        pictures['posterior of the axes'] = orientation_sphere(*posterior, pose.rotation, side)
        marginals = translation_marginals(*posterior, pose.translation, side)
        pictures['posterior of x, y, z'] = marginals
    return np.hstack([titled(picture, title) for title, picture in pictures.items()])

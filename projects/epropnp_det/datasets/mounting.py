"""Where the ground is, seen from a camera whose mounting is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .rotations import quaternion_to_matrix

__all__ = ['ground_plane']

_LEAST_HEIGHT = 0.2  # metres; lower ones stand for a mounting that is not known


def ground_plane(image: Mapping) -> np.ndarray | None:
    """The ground under a level vehicle in the frame of its camera.

    Args:
        image: Record of an image; ``cam2ego_rotation`` (quaternion w x y z) and
            ``cam2ego_translation`` (metres) lead to the frame of the vehicle, whose z axis points
            up and is 0 on the ground (nuScenes).

    Returns:
        The vector ``n`` with ``n @ p = 1`` for the points p of the ground in the camera frame, in
        1 / m, float32 (3,); None if the record does not tell, or the camera is upside down.
    """
    if 'cam2ego_rotation' not in image or 'cam2ego_translation' not in image:
        return None
    up = quaternion_to_matrix(image['cam2ego_rotation'])[2]
    height = float(image['cam2ego_translation'][2])
    if height < _LEAST_HEIGHT or up[1] >= 0:
        return None
    return (-up / height).astype(np.float32)

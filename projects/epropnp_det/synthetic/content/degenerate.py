"""Finds the boxes at which mmdet3d's own converter stops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .cameras import CANVAS
from .terrain import Frame
from .world import KEYFRAME_INTERVAL, Actor, World

_SMALLEST_SCALE = 0.2  # image scales from here on are safe


_SIGNS = np.array([[x, y, z] for z in (0, 1) for x in (-0.5, 0.5) for y in (-0.5, 0.5)])


def _corners(actor: Actor, world: World, poses: Sequence[Frame]) -> np.ndarray:
    """Corners `(F, 8, 3)` of an actor's box in the own vehicle's frame, keyframe by keyframe."""
    corners = []
    for frame, pose in enumerate(poses):
        box = world.actor_frame(actor, frame * KEYFRAME_INTERVAL)
        local = (_SIGNS * actor.shape.size) @ box.rotation.T + box.translation
        corners.append((local - pose.translation) @ pose.rotation)
    return np.stack(corners)


def breaks_converter(actor: Actor, world: World, poses: Sequence[Frame]) -> bool:
    """Whether mmdet3d's converter would stop at an actor's 2D box in some keyframe and camera.

    The converter takes the convex hull of the projected corners in front of a camera. With one
    upright edge in front that hull is a line, which has no exterior, and `post_process_coords`
    raises if it meets the canvas: 1600 x 900 pixels at every image scale. Such a box is a rare
    accident; the world is better off without it than the converter.

    Args:
        actor: the object.
        world: the scene.
        poses: of the own vehicle, one per keyframe.

    Returns:
        True when the actor must go.
    """
    ego = _corners(actor, world, poses)  # (F, 8, 3)
    canvas = np.array(CANVAS) / _SMALLEST_SCALE
    for camera in world.rig:
        scale = camera.size[0] / CANVAS[0]
        points = (ego - camera.translation) @ camera.rotation @ camera.cam2img.T  # (F, 8, 3)
        ahead = points[..., 2] > 0
        pixels = points[..., :2] / np.where(ahead, points[..., 2], 1.0)[..., None] / scale
        low = np.where(ahead[..., None], pixels, np.inf).min(1)  # (F, 2)
        high = np.where(ahead[..., None], pixels, -np.inf).max(1)
        meets = ((low <= canvas) & (high >= 0)).all(1)
        count = ahead.sum(1)
        if (meets & (count > 0) & (count < 3)).any():
            return True
    return False

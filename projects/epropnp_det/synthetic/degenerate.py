"""Finds the boxes at which mmdet3d's own converter stops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .cameras import CANVAS
from .world import KEYFRAME_INTERVAL, Actor, Pose, box_corners

_SMALLEST_SCALE = 0.2  # image scales from here on are safe


def _corners(actor: Actor, num_frames: int) -> np.ndarray:
    """Corners `(F, 8, 3)` of an actor's box in the local frame, keyframe by keyframe."""
    times = KEYFRAME_INTERVAL * np.arange(num_frames)
    centers = actor.start + times[:, None] * actor.velocity  # (F, 2)
    length, width, height = actor.shape.size
    full = [np.full(num_frames, value) for value in (actor.yaw, length, width)]
    flat = box_corners(centers, *full)  # (F, 4, 2)
    levels = [np.full((num_frames, 4, 1), z) for z in (0.0, height)]
    return np.concatenate([np.concatenate([flat, z], -1) for z in levels], 1)


def breaks_converter(actor: Actor, rig: Sequence, poses: Sequence[Pose]) -> bool:
    """Whether mmdet3d's converter would stop at an actor's 2D box in some keyframe and camera.

    The converter takes the convex hull of the projected corners in front of a camera. With one
    upright edge in front that hull is a line, which has no exterior, and `post_process_coords`
    raises if it meets the canvas: 1600 x 900 pixels at every image scale. Such a box is a rare
    accident; the world is better off without it than the converter.

    Args:
        actor: the object.
        rig: the cameras.
        poses: of the own vehicle, one per keyframe.

    Returns:
        True when the actor must go.
    """
    moved = zip(_corners(actor, len(poses)), poses)
    ego = np.stack(
        [np.concatenate([(c[:, :2] - p.xy) @ p.rotation, c[:, 2:]], 1) for c, p in moved]
    )  # (F, 8, 3)
    canvas = np.array(CANVAS) / _SMALLEST_SCALE
    for camera in rig:
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

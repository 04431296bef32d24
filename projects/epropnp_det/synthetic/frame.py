"""One keyframe: draws it, scans it, and says what is seen of every actor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .cameras import LIDAR_TRANSLATION
from .lidar import INSET, count_points, scan, to_lidar
from .render import Rendering, gather, render_cameras
from .world import KEYFRAME_INTERVAL, World

ANNOTATION_RANGE = 60.0  # metres from the own vehicle


class Observation(NamedTuple):
    """What the sensors have of the actors in one keyframe.

    Attributes:
        in_range: `(n,)` bool, whether the actor is near enough to be annotated.
        visible: `(n,)` int64 samples seen in the six cameras together.
        covered: `(n,)` int64 samples that it would cover there if it stood alone.
        num_lidar_pts: `(n,)` int64.
    """

    in_range: np.ndarray
    visible: np.ndarray
    covered: np.ndarray
    num_lidar_pts: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """`(n,)` bool: in range, and in a camera or in the LiDAR."""
        return self.in_range & ((self.visible > 0) | (self.num_lidar_pts > 0))

    def visibility_level(self, index: int) -> int:
        """The nuScenes level of an actor: 1 up to 40 % seen, 2 to 60 %, 3 to 80 %, 4 above."""
        fraction = self.visible[index] / max(self.covered[index], 1)
        return 1 + int(np.searchsorted([0.4, 0.6, 0.8], fraction, side='left'))


def observe_frame(
    world: World, frame: int, seed: tuple[int, ...]
) -> tuple[tuple[Rendering, ...], np.ndarray, Observation]:
    """Draw the six pictures and the LiDAR points of a keyframe.

    Args:
        world: the scene.
        frame: keyframe index.
        seed: entropy of the noise of this keyframe.

    Returns:
        Renderings in the order of `world.rig`, points `(N, 5)` float32, and the observation.
    """
    *camera_rngs, lidar_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(len(world.rig) + 1)
    )
    ego, time = world.ego_pose(frame), frame * KEYFRAME_INTERVAL
    soup = gather(world, frame)
    renderings = render_cameras(world, frame, soup, camera_rngs)
    points = scan(gather(world, frame, INSET), ego, lidar_rng)
    boxes, distances = np.zeros((len(world.actors), 7)), np.zeros(len(world.actors))
    for index, actor in enumerate(world.actors):
        xy = actor.position(time)
        size = actor.shape.size
        center, yaw = to_lidar(ego, xy, actor.yaw)
        boxes[index] = (*center, size[2] / 2 - LIDAR_TRANSLATION[2], *size, yaw)
        distances[index] = np.linalg.norm(xy - ego.xy)
    observation = Observation(
        distances < ANNOTATION_RANGE,
        np.sum([r.visible for r in renderings], axis=0),
        np.sum([r.covered for r in renderings], axis=0),
        count_points(points[:, :3].astype(np.float64), boxes),
    )
    return renderings, points, observation

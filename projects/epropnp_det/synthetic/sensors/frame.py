"""One keyframe: draws it, scans it, and says what is seen of every actor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..content.world import KEYFRAME_INTERVAL, World
from .lidar import INSET, MOUNT, count_points, scan
from .render import Rendering, gather, render_cameras

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
    soup = gather(world, frame)
    renderings = render_cameras(world, frame, soup, camera_rngs)
    dropout = 0.1 if world.conditions.rain else 0.02
    models = gather(world, frame, INSET)
    points = scan(models, world.terrain, world.ego_frame(frame), lidar_rng, dropout)
    observation = Observation(
        _distances(world, frame) < ANNOTATION_RANGE,
        np.sum([r.visible for r in renderings], axis=0),
        np.sum([r.covered for r in renderings], axis=0),
        count_points(points[:, :3].astype(np.float64), *_boxes(world, frame)),
    )
    return renderings, points, observation


def _distances(world: World, frame: int) -> np.ndarray:
    """Horizontal distances `(n,)` of the actors from the own vehicle, metres."""
    ego, time = world.ego_pose(frame), frame * KEYFRAME_INTERVAL
    gaps = [actor.position(time) - ego.xy for actor in world.actors]
    return np.linalg.norm(np.array(gaps).reshape(-1, 2), axis=1)


def _boxes(world: World, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The actors' boxes in the LiDAR frame: centres, sizes `(n, 3)`, rotations `(n, 3, 3)`."""
    sensor = world.ego_frame(frame).compose(MOUNT)
    boxes = [world.actor_box(actor, frame * KEYFRAME_INTERVAL) for actor in world.actors]
    centers = np.array([box.translation for box in boxes]).reshape(-1, 3)
    rotations = np.array([box.rotation for box in boxes]).reshape(-1, 3, 3)
    sizes = np.array([actor.shape.size for actor in world.actors]).reshape(-1, 3)
    return (centers - sensor.translation) @ sensor.rotation, sizes, sensor.rotation.T @ rotations

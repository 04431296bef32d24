"""A street that takes in actors as long as they never touch each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .catalog import make_shape, sample_size
from .world import (
    EGO_CENTER,
    EGO_SIZE,
    KEYFRAME_INTERVAL,
    REACH,
    Actor,
    Street,
    box_corners,
    rectangles_overlap,
)

_MARGIN = 0.35  # metres kept free between any two boxes


class Population:
    """Accepts actors as long as their tracks never touch another's or the own vehicle's.

    Args:
        street: the street to live on.
        num_frames: keyframes of the scene.
        ego_speed: of the own vehicle, metres per second.
        ego_y: its lane's axis.
        rng: source of randomness.
    """

    def __init__(
        self,
        street: Street,
        num_frames: int,
        ego_speed: float,
        ego_y: float,
        rng: np.random.Generator,
    ):
        self.street = street
        self.rng = rng
        self.ego_speed, self.ego_y = ego_speed, ego_y
        # Tested four times as often as annotated, so that fast tracks cannot jump through others.
        self.times = np.arange(4 * num_frames) * KEYFRAME_INTERVAL / 4
        self.start_x = -REACH
        self.end_x = REACH + ego_speed * self.times[-1]
        self.actors: list[Actor] = []
        ego = np.stack([ego_speed * self.times + EGO_CENTER, np.full(len(self.times), ego_y)], 1)
        self._centers, self._radii, self._tracks = [], [], []
        self._keep(ego, 0.0, EGO_SIZE)

    def _track(self, centers: np.ndarray, yaw: float, size: Sequence[float]) -> np.ndarray:
        """Rectangles `(T, 4, 2)` that a box covers over time."""
        full = [np.full(len(centers), value) for value in (yaw, *size)]
        return box_corners(centers, *full)

    def _keep(self, centers: np.ndarray, yaw: float, size: Sequence[float]) -> None:
        self._centers.append(centers)
        self._radii.append(np.hypot(*size) / 2)
        self._tracks.append(self._track(centers, yaw, size))

    def _touches(self, centers: np.ndarray, yaw: float, size: Sequence[float]) -> bool:
        """Whether a box on a track `(T, 2)` ever shares ground with one that is there."""
        gaps = np.stack(self._centers) - centers  # (n, T, 2)
        reach = np.array(self._radii) + np.hypot(*size) / 2
        square = gaps[..., 0] ** 2 + gaps[..., 1] ** 2  # much faster than a sum over two entries
        who, when = np.nonzero(square < reach[:, None] ** 2)
        if not len(who):
            return False
        others = np.stack([self._tracks[k][t] for k, t in zip(who, when)])  # (pairs, 4, 2)
        return bool(rectangles_overlap(others, self._track(centers, yaw, size)[when]).any())

    def add(
        self,
        name: str,
        attribute: str,
        xy: Sequence[float],
        yaw: float,
        speed: float = 0.0,
        size: np.ndarray | None = None,
    ) -> Actor | None:
        """Place an actor unless it would touch another.

        Args:
            name: detection class.
            attribute: nuScenes attribute or an empty string.
            xy: centre at time 0, metres.
            yaw: heading, radians.
            speed: metres per second.
            size: `(3,)` length, width, height in metres; drawn when None.

        Returns:
            The actor, or None where there was no room.
        """
        if size is None:
            size = sample_size(name, attribute, self.rng)
        start = np.asarray(xy, float)
        heading = np.array([np.cos(yaw), np.sin(yaw)])
        centers = start + speed * self.times[:, None] * heading  # (T, 2)
        # Barriers stand end to end.
        margin = (_MARGIN, 0.02) if name == 'barrier' else (_MARGIN, _MARGIN)
        if self._touches(centers, yaw, size[:2] + 2 * np.array(margin)):
            return None
        shape = make_shape(name, attribute, size, self.rng)
        actor = Actor(name, attribute, shape, start, float(yaw), float(speed))
        self._keep(centers, yaw, size[:2])
        self.actors.append(actor)
        return actor

    def free_of_crossing(self, x: float, room: float) -> bool:
        """Whether `x` lies at least `room` metres off the crossing street's roadway."""
        return abs(x - self.street.cross_x) > self.street.cross_half + room

"""What a scene is: a street, a light, a moving vehicle with cameras, and actors on straight tracks.

The local frame of a scene: x along the street in the driving direction, y left, z up, ground at
z = 0 unless there are hills, the own vehicle at x = 0 when time is 0. `World.to_global` places it
on the map. Seen from above, everything that moves does so with constant velocity, so the velocity
that the devkit derives from neighbouring keyframes is the true one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .catalog import Shape
from .conditions import Conditions
from .terrain import Frame, Terrain

KEYFRAME_INTERVAL = 0.5  # seconds: nuScenes keyframes come at 2 Hz
REACH = 95.0  # metres ahead of and behind the own vehicle that are populated and drawn
LANE = 3.5  # metres
EGO_SIZE = (17.0, 2.4)  # metres that stay free around the own vehicle, most of them ahead
EGO_CENTER = 4.0


class Street(NamedTuple):
    """Cross section and crossing of the street; floats only, so that compiled code can read it.

    Attributes:
        lanes: lanes in each direction.
        parking: width of the strip between the outer lane and the kerb, metres, either side.
        sidewalk: width of the sidewalk, metres.
        cross_x: where the crossing street's axis meets this street, metres.
        cross_half: half width of the crossing street's roadway, metres.
        tint: brightness of the asphalt.
        grass: 1 where lawn lies beyond the sidewalk, 0 for paving.
    """

    lanes: float
    parking: float
    sidewalk: float
    cross_x: float
    cross_half: float
    tint: float
    grass: float

    @property
    def half(self) -> float:
        """Distance from the axis to the kerb in metres."""
        return self.lanes * LANE + self.parking


class Light(NamedTuple):
    """Daylight.

    Attributes:
        to_sun: `(3,)` unit vector in the local frame.
        sun: `(3,)` RGB strength of the direct light.
        sky: `(3,)` RGB strength of the light from above.
        ground: `(3,)` RGB strength of the light from below.
        zenith: `(3,)` sky colour overhead.
        haze: `(3,)` sky colour at the horizon, also of distant things.
        clouds: 0 clear to 1 overcast.
        shadow: fraction of light left on shaded ground.
        seed: of the cloud pattern.
        cloud: brightness of the clouds.
        haze_range: metres until 63 % of an object's colour is lost.
        wet: 0 dry to 1 wet ground.
        glow: 0 by day, 1 where windows and lamps shine at night.
    """

    to_sun: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    zenith: np.ndarray
    haze: np.ndarray
    clouds: float
    shadow: float
    seed: int
    cloud: float
    haze_range: float = 260.0
    wet: float = 0.0
    glow: float = 0.0


class Actor(NamedTuple):
    """An object that is annotated.

    Attributes:
        name: detection class.
        attribute: nuScenes attribute or an empty string.
        shape: size and mesh.
        start: `(2,)` centre on the ground at time 0, local frame, metres.
        yaw: heading in the local frame, radians.
        speed: metres per second along the heading.
    """

    name: str
    attribute: str
    shape: Shape
    start: np.ndarray
    yaw: float
    speed: float

    @property
    def velocity(self) -> np.ndarray:
        """`(2,)` local velocity in metres per second."""
        return self.speed * np.array([np.cos(self.yaw), np.sin(self.yaw)])

    def position(self, time: float) -> np.ndarray:
        """`(2,)` centre on the ground at a time in seconds, local frame."""
        return self.start + time * self.velocity


class Pose(NamedTuple):
    """A pose on the ground.

    Attributes:
        xy: `(2,)` metres.
        yaw: radians.
    """

    xy: np.ndarray
    yaw: float

    def compose(self, other: Pose) -> Pose:
        """The pose `other`, given in this frame, in the frame this one is given in."""
        return Pose(self.xy + self.rotation @ other.xy, self.yaw + other.yaw)

    @property
    def rotation(self) -> np.ndarray:
        """`(2, 2)` rotation matrix."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s], [s, c]])


class World(NamedTuple):
    """One scene.

    Attributes:
        name: official nuScenes scene name.
        street: geometry and look of the ground.
        light: daylight.
        rig: the six cameras.
        ego_speed: speed of the own vehicle in metres per second.
        ego_y: its distance from the street's axis, metres.
        actors: annotated objects.
        scenery: mesh of houses, trees and lamps in the local frame.
        to_global: pose of the local frame on the map.
        map_size: side of the square map in metres.
        conditions: weather and what else is special.
        terrain: shape of the ground.
    """

    name: str
    street: Street
    light: Light
    rig: tuple
    ego_speed: float
    ego_y: float
    actors: tuple[Actor, ...]
    scenery: object
    to_global: Pose
    map_size: float
    conditions: Conditions = Conditions()
    terrain: Terrain = Terrain()

    def ego_frame(self, frame: int) -> Frame:
        """Pose of the own vehicle in the local frame, on its ground, at a keyframe."""
        return self.terrain.stand(*self.ego_pose(frame))

    def actor_frame(self, actor: Actor, time: float) -> Frame:
        """Pose of an actor's bottom centre in the local frame at a time in seconds."""
        return self.terrain.stand(actor.position(time), actor.yaw)

    def actor_box(self, actor: Actor, time: float) -> Frame:
        """Like `actor_frame`, at the centre of the box."""
        middle = np.array([0.0, 0.0, actor.shape.size[2] / 2])
        return self.actor_frame(actor, time).compose(Frame(np.eye(3), middle))

    def ego_pose(self, frame: int) -> Pose:
        """Pose of the own vehicle in the local frame at a keyframe; it sways by a degree or two."""
        time = frame * KEYFRAME_INTERVAL
        sway = 0.03 * np.sin(0.8 * time + self.ego_y)
        return Pose(np.array([self.ego_speed * time, self.ego_y]), sway)


def box_corners(
    center: np.ndarray, yaw: np.ndarray, length: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """Bird's-eye corners of rectangles.

    Args:
        center: `(..., 2)`.
        yaw: `(...)`.
        length: `(...)`.
        width: `(...)`.

    Returns:
        `(..., 4, 2)` corners in order around the rectangle.
    """
    signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) / 2
    x = np.asarray(length)[..., None] * signs[:, 0]
    y = np.asarray(width)[..., None] * signs[:, 1]
    c, s = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    return np.stack([c * x - s * y, s * x + c * y], -1) + center[..., None, :]


def rectangles_overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Separating-axis test of pairs of rectangles.

    Args:
        first: `(..., 4, 2)` corners in order.
        second: `(..., 4, 2)` corners in order, same leading shape or one that broadcasts.

    Returns:
        `(...)` bool, True where they share area.
    """
    first, second = np.broadcast_arrays(first, second)
    apart = np.zeros(first.shape[:-2], bool)
    for base in (first, second):
        for k in (0, 1):
            axis = base[..., k + 1, :] - base[..., k, :]
            a = (first * axis[..., None, :]).sum(-1)
            b = (second * axis[..., None, :]).sum(-1)
            apart |= (a.max(-1) <= b.min(-1)) | (b.max(-1) <= a.min(-1))
    return ~apart

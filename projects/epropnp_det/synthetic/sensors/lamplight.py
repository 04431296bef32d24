"""Street lamps and headlights: what they throw on the ground and on everything else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..content.catalog import CYCLES, VEHICLES
from ..content.materials import STREETLAMP
from ..content.terrain import Frame
from ..content.world import KEYFRAME_INTERVAL, REACH, Actor, World

_GRID = 0.5  # metres between the points at which light on the ground is computed
_ACROSS = 60.0  # metres to either side of the street that lamps reach
_LAMP_TRIANGLES = 12  # of the head of one street lamp
_SODIUM = np.array([1.0, 0.74, 0.42])
_HALOGEN = np.array([1.0, 0.96, 0.88])
_OWN = Frame(np.eye(3), np.array([3.6, 0.0, 0.7]))  # lamps of the own vehicle in its frame


class Lamps(NamedTuple):
    """Point lights.

    Attributes:
        positions: `(L, 3)` metres, local frame.
        directions: `(L, 3)` unit vectors.
        cones: `(L,)` cosine of the half angle beyond which nothing is lit.
        colors: `(L, 3)` RGB; the light at a distance of d metres is this over 25 + d squared.
    """

    positions: np.ndarray
    directions: np.ndarray
    cones: np.ndarray
    colors: np.ndarray


class LampMap(NamedTuple):
    """Lamplight on the ground.

    Attributes:
        light: `(rows, columns, 3)` float32; rows run along y, columns along x.
        x: lowest x, metres.
        y: lowest y, metres.
        step: metres between points.
    """

    light: np.ndarray
    x: float
    y: float
    step: float


DAYLIGHT_MAP = LampMap(np.zeros((2, 2, 3), np.float32), 0.0, 0.0, _GRID)


def lamps_on(actor: Actor) -> bool:
    """Whether the lamps of an actor shine: those of traffic do, those of parked vehicles do not."""
    attributes = ('vehicle.moving', 'vehicle.stopped', 'cycle.with_rider')
    return actor.attribute in attributes and actor.name != 'trailer'


def gather_lamps(world: World, frame: int) -> Lamps:
    """All lamps near the own vehicle at a keyframe.

    Args:
        world: the scene.
        frame: keyframe index.

    Returns:
        Street lamps, headlights and rear lamps of traffic, and the own headlights.
    """
    ego = world.ego_frame(frame)
    heads = world.scenery.triangles[world.scenery.materials == STREETLAMP]
    heads = heads.reshape(-1, _LAMP_TRIANGLES * 3, 3).mean(1)
    near = heads[np.abs(heads[:, 0] - ego.translation[0]) < REACH]
    rows = [(head, np.array([0.0, 0.0, -1.0]), 0.15, 62.0 * _SODIUM) for head in near]
    mounts = [(ego.compose(_OWN), 160.0)]
    time = frame * KEYFRAME_INTERVAL
    for actor in world.actors:
        xy = actor.position(time)
        if not lamps_on(actor) or np.abs(xy - ego.translation[:2]).max() > REACH:
            continue
        front = actor.shape.size[0] / 2 + 0.1
        pose = world.actor_frame(actor, time)
        level = 0.7 if actor.name in VEHICLES else 0.9
        power = 60.0 if actor.name in CYCLES else 200.0
        mounts.append((pose.compose(Frame(np.eye(3), np.array([front, 0.0, level]))), power))
        tail = pose.compose(Frame(np.eye(3), np.array([-front, 0.0, level])))
        rows.append((tail.translation, -tail.rotation[:, 0], 0.0, np.array([14.0, 0.8, 0.5])))
    rows += [(m.translation, m.rotation @ (1.0, 0.0, -0.06), 0.88, p * _HALOGEN) for m, p in mounts]
    return Lamps(*(np.stack(column).astype(np.float64) for column in zip(*rows)))


@njit(cache=True, error_model='numpy')
def _illuminate(points, normals, positions, directions, cones, colors, out):
    for i in range(len(points)):
        for k in range(len(positions)):
            dx = positions[k, 0] - points[i, 0]
            dy = positions[k, 1] - points[i, 1]
            dz = positions[k, 2] - points[i, 2]
            square = dx * dx + dy * dy + dz * dz
            if square > 3600.0:
                continue
            distance = np.sqrt(square) + 1e-6
            along = directions[k, 0] * dx + directions[k, 1] * dy + directions[k, 2] * dz
            beam = (-along / distance - cones[k]) / (1.0 - cones[k])
            facing = (normals[i, 0] * dx + normals[i, 1] * dy + normals[i, 2] * dz) / distance
            # Rough surfaces and what stands around them scatter light that comes in flat.
            facing = (facing + 0.15) / 1.15
            if beam <= 0.0 or facing <= 0.0:
                continue
            strength = facing * min(2.0 * beam, 1.0) / (25.0 + square)
            for c in range(3):
                out[i, c] += colors[k, c] * strength


def illuminate(points: np.ndarray, normals: np.ndarray, lamps: Lamps) -> np.ndarray:
    """Lamplight that falls on surfaces; nothing casts a shadow.

    Args:
        points: `(P, 3)` metres, local frame.
        normals: `(P, 3)` unit vectors.
        lamps: the lights.

    Returns:
        `(P, 3)` float32 RGB.
    """
    out = np.zeros((len(points), 3), np.float32)
    _illuminate(points.astype(np.float64), normals.astype(np.float64), *lamps, out)
    return out


def map_lamplight(world: World, frame: int, lamps: Lamps) -> LampMap:
    """Lamplight on the ground around the own vehicle."""
    middle = world.ego_frame(frame).translation[0]
    x = np.arange(middle - REACH, middle + REACH, _GRID)
    y = np.arange(-_ACROSS, _ACROSS, _GRID)
    grid = np.stack(
        [*np.meshgrid(x, y), np.broadcast_to(world.terrain.height(x), (len(y), len(x)))]
    )
    points = grid.reshape(3, -1).T
    normals = np.broadcast_to([0.0, 0.0, 1.0], points.shape)
    light = illuminate(points, normals, lamps).reshape(len(y), len(x), 3)
    return LampMap(light, float(x[0]), float(y[0]), _GRID)

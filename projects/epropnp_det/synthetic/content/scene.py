"""Draws a whole scene from a seed."""

from __future__ import annotations

import numpy as np

from .cameras import make_rig, remount
from .conditions import Conditions
from .degenerate import breaks_converter
from .inhabitants import populate
from .population import Population
from .scenery import make_scenery
from .terrain import Terrain, make_hills
from .weather import change_light
from .world import KEYFRAME_INTERVAL, LANE, REACH, Light, Pose, Street, World

DAY = Conditions()
LEVEL = Terrain()


def _make_street(rng: np.random.Generator) -> Street:
    return Street(
        lanes=float(rng.choice([1, 2])),
        parking=float(rng.choice([2.6, 2.6, 5.2])),
        sidewalk=rng.uniform(2.5, 4.0),
        cross_x=rng.uniform(15.0, 60.0),
        cross_half=float(rng.choice([3.5, 7.0])),
        tint=rng.uniform(0.24, 0.38),
        grass=float(rng.random() < 0.7),
    )


def _make_light(rng: np.random.Generator) -> Light:
    """Sun from any side, 22 to 65 degrees high, from warm evening to overcast noon."""
    elevation, azimuth = np.deg2rad(rng.uniform(22, 65)), rng.uniform(-np.pi, np.pi)
    to_sun = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    clouds = rng.uniform(0.0, 1.0) if rng.random() < 0.5 else rng.uniform(0.0, 0.3)
    warmth = np.clip(1.2 - elevation, 0, 1) * rng.uniform(0.3, 1.0)
    sun = (1.0 - 0.75 * clouds) * np.array([1.0, 0.94 - 0.12 * warmth, 0.86 - 0.35 * warmth])
    sky = (0.42 + 0.40 * clouds) * np.array([0.95, 1.0, 1.08])
    blue, grey = np.array([0.33, 0.52, 0.80]), np.array([0.62, 0.65, 0.69])
    haze = np.array([0.80 + 0.08 * warmth, 0.84, 0.88 - 0.10 * warmth])
    direct = sun.mean() * to_sun[2]
    return Light(
        to_sun=to_sun,
        sun=sun,
        sky=sky,
        ground=0.35 * sky + 0.18 * sun * to_sun[2],
        zenith=blue + clouds * (grey - blue),
        haze=haze,
        clouds=float(clouds),
        shadow=float(sky.mean() / (sky.mean() + direct)),
        seed=int(rng.integers(1 << 20)),
        cloud=float(0.95 - 0.25 * clouds),
    )


def make_world(
    name: str,
    num_frames: int,
    scale: float,
    rng: np.random.Generator,
    conditions: Conditions = DAY,
) -> World:
    """Draw a scene.

    Args:
        name: official nuScenes scene name.
        num_frames: keyframes, half a second apart.
        scale: factor on image size and intrinsics.
        rng: source of randomness; the same state gives the same scene.
        conditions: weather and what else is special; the street is the same whatever they are, and
            so is who is on it, but for crowds and emptiness.

    Returns:
        The scene.
    """
    street, light = _make_street(rng), _make_light(rng)
    rig = make_rig(scale, rng)
    ego_speed = 0.0 if rng.random() < 0.1 else rng.uniform(3.0, 9.0)
    ego_y = -(rng.integers(int(street.lanes)) + 0.5) * LANE
    population = Population(street, num_frames, ego_speed, ego_y, rng)
    travel = ego_speed * (num_frames - 1) * KEYFRAME_INTERVAL
    if conditions.rig:
        rig = remount(rig, np.random.default_rng([light.seed, 3]))
    terrain = make_hills(np.random.default_rng([light.seed, 2])) if conditions.hills else LEVEL
    scenery = make_scenery(street, -REACH, REACH + travel, rng, terrain)
    yaw = rng.uniform(-np.pi, np.pi)
    map_size = travel + 4 * REACH
    # The middle of the drive comes to lie in the middle of the map.
    middle = travel / 2 * np.array([np.cos(yaw), np.sin(yaw)])
    world = World(
        name=name,
        street=street,
        light=change_light(light, conditions),
        rig=rig,
        ego_speed=float(ego_speed),
        ego_y=float(ego_y),
        actors=populate(population, conditions),
        scenery=scenery,
        to_global=Pose(np.full(2, map_size / 2) - middle, float(yaw)),
        map_size=float(map_size),
        conditions=conditions,
        terrain=terrain,
    )
    poses = [world.ego_frame(frame) for frame in range(num_frames)]
    safe = tuple(a for a in world.actors if not breaks_converter(a, world, poses))
    return world._replace(actors=safe)

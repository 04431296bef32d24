"""From a world and a keyframe to six pictures and the ids behind every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from ...rendering.meshes import Mesh, face_normals
from ...rendering.rasterizer import View, draw, rasterize
from ..content.cameras import Camera
from ..content.catalog import VEHICLES, Shape
from ..content.materials import FACADE, GROUND, LAMP, STREETLAMP
from ..content.terrain import Frame
from ..content.world import KEYFRAME_INTERVAL, REACH, World, box_corners
from .exposure import expose
from .lamplight import DAYLIGHT_MAP, Lamps, gather_lamps, illuminate, lamps_on, map_lamplight
from .shading import shade

_SUPERSAMPLE_BELOW = 1000  # image widths below this are drawn at twice the size and averaged


class Soup(NamedTuple):
    """All triangles of a keyframe in the local frame.

    Attributes:
        triangles: `(T, 3, 3)` float32.
        normals: `(T, 3)` float32.
        colors: `(T, 3)` float32 albedo.
        materials: `(T,)` int32.
        owners: `(T,)` int32 actor index, -1 for scenery.
    """

    triangles: np.ndarray
    normals: np.ndarray
    colors: np.ndarray
    materials: np.ndarray
    owners: np.ndarray


class Rendering(NamedTuple):
    """One picture.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        instances: `(H*s, W*s)` int32 actor index per sample, -1 elsewhere; s = 2 when supersampled.
        visible: `(n,)` int64 samples in which each actor is seen.
        covered: `(n,)` int64 samples that each actor would cover if it stood alone.
    """

    image: np.ndarray
    instances: np.ndarray
    visible: np.ndarray
    covered: np.ndarray


def inset(shape: Shape, depth: float) -> Mesh:
    """The mesh of a shape, scaled so that each of its six faces lies `depth` metres further in."""
    middle = np.array([0, 0, shape.size[2] / 2], np.float32)
    factor = (1 - 2 * depth / shape.size).astype(np.float32)
    triangles = (shape.mesh.triangles - middle) * factor + middle
    return shape.mesh._replace(triangles=triangles)


def place(mesh: Mesh, frame: Frame) -> np.ndarray:
    """Triangles `(T, 3, 3)` float32 of a mesh that stands somewhere."""
    rotation = np.ascontiguousarray(frame.rotation.T, np.float32)
    return mesh.triangles @ rotation + frame.translation.astype(np.float32)


def gather(world: World, frame: int, depth: float = 0.0) -> Soup:
    """Collect the triangles that lie within reach of the own vehicle.

    Args:
        world: the scene.
        frame: keyframe index.
        depth: metres by which models lie inside their boxes.

    Returns:
        The triangles, those of one actor contiguous and in order of actors.
    """
    time, ego = frame * KEYFRAME_INTERVAL, world.ego_pose(frame)
    meshes, triangles, owners = [], [], []
    for index, actor in enumerate(world.actors):
        xy = actor.position(time)
        if np.abs(xy - ego.xy).max() < REACH:
            meshes.append(inset(actor.shape, depth) if depth else actor.shape.mesh)
            triangles.append(place(meshes[-1], world.actor_frame(actor, time)))
            owners.append(np.full(len(triangles[-1]), index, np.int32))
    meshes.append(world.scenery)
    triangles.append(world.scenery.triangles)
    owners.append(np.full(len(triangles[-1]), -1, np.int32))
    triangles = np.concatenate(triangles)
    return Soup(
        triangles,
        face_normals(triangles).astype(np.float32),
        np.concatenate([mesh.colors for mesh in meshes]),
        np.concatenate([mesh.materials for mesh in meshes]),
        np.concatenate(owners),
    )


def light_up(soup: Soup, world: World, lamps: Lamps | None = None) -> np.ndarray:
    """Lambert's law under sun, sky, reflected light and lamps; lamps glow on their own.

    Args:
        soup: triangles.
        world: gives the daylight.
        lamps: what shines in the dark.

    Returns:
        `(T, 3)` float32 RGB.
    """
    light = world.light
    sun = np.maximum(soup.normals @ light.to_sun, 0.0)[:, None] * light.sun  # (T, 3)
    up = 0.5 + 0.5 * soup.normals[:, 2:]  # (T, 1)
    total = sun + up * light.sky + (1 - up) * light.ground
    glow = (soup.materials == LAMP)[:, None]
    if lamps is None:
        return np.where(
            glow, np.maximum(soup.colors * 0.95, soup.colors * total), soup.colors * total
        ).astype(np.float32)
    total += illuminate(_middles(soup.triangles), soup.normals, lamps)
    on = np.array([*map(lamps_on, world.actors), False])[soup.owners][:, None]
    lit = np.where(glow & on, 2.2 * soup.colors, soup.colors * total)
    street = (soup.materials == STREETLAMP)[:, None]
    return np.where(street, (3.0, 2.3, 1.4), lit).astype(np.float32)


def _middles(triangles: np.ndarray) -> np.ndarray:
    """Middles `(T, 3)` of the longest edges: the two halves of a rectangle share theirs."""
    following = np.roll(triangles, -1, axis=1)
    longest = ((following - triangles) ** 2).sum(-1).argmax(1)[:, None, None]
    return np.take_along_axis((triangles + following) / 2, longest, 1)[:, 0]


def cast_shadows(soup: Soup, world: World) -> np.ndarray:
    """Project sun-facing triangles of actors, trees and lamps onto the ground.

    Args:
        soup: triangles.
        world: gives the direction of the sun.

    Returns:
        `(S, 3, 3)` float32 triangles on the ground; none without sun.
    """
    if not world.light.sun.any():
        return np.zeros((0, 3, 3), np.float32)
    to_sun = world.light.to_sun
    height = soup.triangles[..., 2] - world.terrain.height(soup.triangles[..., 0])
    low = height.max(1) < 9.5  # houses keep their shadow to themselves
    low &= (soup.materials != FACADE) & (soup.materials != GROUND)
    casts = (soup.normals @ to_sun > 0) & low
    return world.terrain.drop(soup.triangles[casts].astype(np.float64), to_sun).astype(np.float32)


def contact_patches(world: World, frame: int) -> np.ndarray:
    """Where little light reaches the ground because a vehicle or barrier stands right above.

    Args:
        world: the scene.
        frame: keyframe index.

    Returns:
        `(S, 3, 3)` float32 triangles, two for each such object, a centimetre above the ground so
        that they hide cast shadows.
    """
    time = frame * KEYFRAME_INTERVAL
    solid = [a for a in world.actors if a.name in (*VEHICLES, 'barrier')]
    if not solid:
        return np.zeros((0, 3, 3), np.float32)
    centers = np.stack([a.position(time) for a in solid])
    length, width, _ = 0.97 * np.stack([a.shape.size for a in solid]).T
    corners = box_corners(centers, np.array([a.yaw for a in solid]), length, width)  # (n, 4, 2)
    ground = world.terrain.height(corners[..., :1])
    corners = np.concatenate([corners, ground + 0.01], -1)
    return corners[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3).astype(np.float32)


def make_view(camera: Camera, ego: Frame, factor: int) -> View:
    """A camera of the rig in the local frame, for images enlarged by a factor."""
    origin = ego.translation + ego.rotation @ camera.translation
    rotation = (ego.rotation @ camera.rotation).T
    cam2img = camera.cam2img * factor
    return View(
        np.ascontiguousarray(rotation),
        origin,
        (float(cam2img[0, 0]), float(cam2img[1, 1])),
        (float(cam2img[0, 2]), float(cam2img[1, 2])),
    )


def _finish(
    image: np.ndarray, size: tuple[int, int], world: World, rng: np.random.Generator
) -> np.ndarray:
    """Average down to size, exposure, sensor noise, 8 bits."""
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = expose(small, world.conditions, world.light, rng)
    small = small * np.float32(rng.uniform(0.93, 1.07))
    grain = rng.standard_normal(small.shape, dtype=np.float32) * np.float32(
        rng.uniform(0.004, 0.014)
    )
    return ((small + grain) * 255).clip(0, 255).astype(np.uint8)


def render_cameras(
    world: World, frame: int, soup: Soup, rngs: Sequence[np.random.Generator]
) -> tuple[Rendering, ...]:
    """Draw all cameras of a keyframe.

    Args:
        world: the scene.
        frame: keyframe index.
        soup: its triangles, from `gather`.
        rngs: one generator per camera, for exposure and noise.

    Returns:
        One rendering per camera, in the order of `world.rig`.
    """
    ego, lamps, lamp_map = world.ego_frame(frame), None, DAYLIGHT_MAP
    if world.conditions.dark:
        lamps = gather_lamps(world, frame)
        lamp_map = map_lamplight(world, frame, lamps)
    lit, contact = light_up(soup, world, lamps), contact_patches(world, frame)
    shadows = np.concatenate([contact, cast_shadows(soup, world)])
    no_owner = np.full(len(shadows), -1, np.int32)
    downward = np.zeros((len(shadows), 3), np.float32)
    downward[:, 2] = 1.0
    count, out = len(world.actors), []
    for camera, rng in zip(world.rig, rngs):
        factor = 2 if camera.size[0] < _SUPERSAMPLE_BELOW else 1
        size = tuple(factor * side for side in camera.size)
        view = make_view(camera, ego, factor)
        buffers = draw(soup.triangles, soup.normals, soup.owners, count, view, size)
        shade_depth = np.zeros_like(buffers.inv_depth)
        shadow = np.full_like(buffers.triangle, -1)
        rasterize(shadows, downward, no_owner, view, shade_depth, shadow, buffers.covered)
        image = np.empty((*shadow.shape, 3), np.float32)
        surfaces = (lit, soup.normals, soup.materials, len(contact))
        lights = (world.street, world.light, lamp_map)
        shade(buffers[:2], (shade_depth, shadow), *surfaces, view, *lights, image)
        hit = buffers.triangle >= 0
        instances = np.where(hit, soup.owners[buffers.triangle], -1)
        visible = np.bincount(instances[instances >= 0], minlength=count)
        out.append(
            Rendering(_finish(image, camera.size, world, rng), instances, visible, buffers.covered)
        )
    return tuple(out)

"""New views of a known object from few real images of it.

The mesh takes its colours from one image, wherever that image sees it, and from the mean over all
images elsewhere; it is then rendered from a pose nearby. Light, camera and texture are those of the
real image, so that no renderer has to imitate them.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from ..objects.instances import Instance
from ..objects.models import Mesh
from ..objects.surfaces import interpolate, render_surface

DEPTH_TOLERANCE = 0.004
"""Metres behind the visible surface at which a vertex still counts as seen."""


class Texture(NamedTuple):
    """Colours of a mesh's vertices as one image shows them.

    Attributes:
        colors: BGR in 0..255, (V, 3) float32.
        trust: In 0..1, zero where the image does not show the vertex, (V,) float32.
    """

    colors: np.ndarray
    trust: np.ndarray


class View(NamedTuple):
    """A rendered view.

    Attributes:
        image: BGR on black, (h, w, 3) uint8.
        mask: (h, w) bool.
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        cam2img: Of this image, (3, 3).
    """

    image: np.ndarray
    mask: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    cam2img: np.ndarray


def observed_texture(
    mesh: Mesh, instance: Instance, image: np.ndarray, mask: np.ndarray
) -> Texture:
    """The colours of an image at the mesh's vertices.

    Args:
        mesh: In metres.
        instance: Pose and camera of the image.
        image: BGR uint8.
        mask: Visible part of the object, (H, W) bool.
    """
    height, width = mask.shape
    seen = mesh.vertices @ instance.rotation.T + instance.translation
    pixels = seen @ instance.cam2img.T
    pixels = (pixels[:, :2] / pixels[:, 2:]).astype(np.float32)
    surface = render_surface(
        mesh, instance.rotation, instance.translation, instance.cam2img, (width, height)
    )
    depth = np.zeros((height, width), np.float32)
    rows, columns = surface.hit.shape
    depth[surface.top : surface.top + rows, surface.left : surface.left + columns] = surface.depth
    safe = cv2.erode((mask & (depth > 0)).astype(np.uint8), np.ones((3, 3), np.uint8))
    sample = [pixels[None, :, 0], pixels[None, :, 1]]
    shown = cv2.remap(safe, *sample, cv2.INTER_NEAREST)[0] > 0
    front = cv2.remap(depth, *sample, cv2.INTER_NEAREST)[0]
    rays = -seen / np.linalg.norm(seen, axis=1, keepdims=True)
    facing = ((mesh.normals @ instance.rotation.T) * rays).sum(1)
    trust = np.clip((facing - 0.1) / 0.4, 0, 1) * shown
    trust *= np.abs(front - seen[:, 2]) < DEPTH_TOLERANCE + 0.02 * (facing < 0.3)
    colors = cv2.remap(image, *sample, cv2.INTER_LINEAR)[0].astype(np.float32)
    return Texture(colors, trust.astype(np.float32))


def mean_texture(mesh: Mesh, textures: list[Texture]) -> np.ndarray:
    """Mean colours over all images; the mesh's own where none shows the vertex, (V, 3)."""
    weight = sum(texture.trust for texture in textures)
    total = sum(texture.colors * texture.trust[:, None] for texture in textures)
    own = mesh.colors[:, ::-1] * 255
    seen = weight > 0
    mean = total / np.maximum(weight, 1e-6)[:, None]
    if seen.any():
        own = own * (mean[seen].mean(0) / np.maximum(own[seen].mean(0), 1))
    return np.where(seen[:, None], mean, own).astype(np.float32)


def blended(texture: Texture, mean: np.ndarray) -> np.ndarray:
    """One image's colours, completed by the mean in that image's light, (V, 3) in 0..255."""
    seen = texture.trust > 0.5
    gain = np.ones(3)
    if seen.sum() > 50:
        gain = texture.colors[seen].mean(0) / np.maximum(mean[seen].mean(0), 1)
    share = texture.trust[:, None]
    return np.clip(texture.colors * share + mean * gain * (1 - share), 0, 255)


def nearby_pose(
    instance: Instance, rng: np.random.Generator, max_angle: float, max_zoom: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """A pose within an angle of an instance's, elsewhere in the image and nearer or farther.

    Args:
        instance: Where to start.
        rng: Source of the draws.
        max_angle: Degrees.
        max_zoom: Largest relative change of the distance.

    Returns:
        Rotation (3, 3) and translation (3,) in metres.
    """
    axis = rng.normal(size=3)
    angle = np.radians(max_angle) * rng.uniform() ** 0.5
    turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    rotation = turn @ instance.rotation
    translation = instance.translation * rng.uniform(1 - max_zoom, 1 + max_zoom)
    translation[:2] += rng.normal(0, 0.06, 2) * translation[2]
    # The object turns with the ray to it, so that the change of view is that of ``turn`` alone.
    return ray_turn(instance.translation, translation) @ rotation, translation


def ray_turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes one direction to another, (3, 3)."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis)
    if sine < 1e-12:
        return np.eye(3)
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, start @ end)).as_matrix()


def render_view(
    mesh: Mesh,
    colors: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    cam2img: np.ndarray,
    zoom: float = 1.0,
    margin: int = 8,
) -> View:
    """Renders a mesh in an image that holds just the object.

    Args:
        mesh: In metres.
        colors: BGR in 0..255 at the vertices, (V, 3).
        rotation: Object to camera, (3, 3).
        translation: Metres, (3,).
        cam2img: Of the camera to imitate.
        zoom: Resolution of the rendering per pixel of that camera.
        margin: Pixels around the object.
    """
    camera = np.diag([zoom, zoom, 1.0]) @ cam2img
    seen = (mesh.vertices @ rotation.T + translation) @ camera.T
    pixels = seen[:, :2] / seen[:, 2:]
    low, high = np.floor(pixels.min(0)) - margin, np.ceil(pixels.max(0)) + margin
    camera[:2, 2] -= low
    width, height = (int(value) for value in high - low)
    surface = render_surface(mesh, rotation, translation, camera, (width, height))
    window = (
        slice(surface.top, surface.top + surface.hit.shape[0]),
        slice(surface.left, surface.left + surface.hit.shape[1]),
    )
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    image[window][surface.hit] = interpolate(mesh, surface, colors).round()
    mask[window] = surface.hit
    return View(image, mask, rotation, translation, camera)

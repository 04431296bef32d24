"""Pictures of known objects over varied backgrounds, in BOP layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from ..data.augment import Backgrounds
from ..data.official import CAM2IMG
from ..objects.models import Mesh, read_models
from ..objects.surfaces import interpolate, render_surface
from .writer import SceneWriter

SIZE = (640, 480)
AMBIENT = 0.35
"""Share of the light that comes from everywhere."""


def write_scenes(
    models: Path,
    split: Path,
    number: int,
    seed: int,
    backgrounds: str | None,
    progress: Callable[[list, str], Iterable],
    upright: bool = False,
) -> None:
    """One scene per object, one object per image.

    Args:
        models: Folder of the models.
        split: Folder to write.
        number: Images per object.
        seed: Of everything drawn.
        backgrounds: Folder of images; None for made-up ones.
        progress: Wraps the list of work.
        upright: Only views of :func:`upright_rotation` instead of all.
    """
    photos = Backgrounds(backgrounds) if backgrounds else None
    for obj_id, model in read_models(models).items():
        mesh = model.mesh()
        writer = SceneWriter(split / f'{obj_id:06d}')
        for k in progress(list(range(number)), f'{split.name}, object {obj_id}'):
            rng = np.random.RandomState([seed, obj_id, k])
            rotation = (
                upright_rotation(rng) if upright else Rotation.random(random_state=rng).as_matrix()
            )
            depth = rng.uniform(5, 9) * model.diameter
            pixel = rng.uniform((160, 120), (480, 360))
            translation = depth * np.linalg.inv(CAM2IMG) @ [*pixel, 1]
            image = photos.draw(SIZE[0], rng)[: SIZE[1]] if photos else made_background(rng)
            mask = draw_object(image, mesh, rotation, translation, rng)
            writer.add(k, image, CAM2IMG, [(obj_id, rotation, translation, mask, mask)])
        writer.close()


def upright_rotation(rng: np.random.RandomState) -> np.ndarray:
    """The object stands, z up, and is seen from any side and from above, as LineMOD's are.

    Returns:
        Object to camera, (3, 3): elevations of 10 to 80 degrees, the camera rolled by up to 30.
    """
    azimuth, elevation, roll = rng.uniform(0, 360), rng.uniform(10, 80), rng.uniform(-30, 30)
    return Rotation.from_euler('zxz', [azimuth, 90 + elevation, roll], degrees=True).as_matrix()


def made_background(rng: np.random.RandomState) -> np.ndarray:
    """Blurred patches and sharp shapes, (480, 640, 3) uint8."""
    coarse = rng.randint(0, 256, (6, 8, 3)).astype(np.uint8)
    image = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.randint(5, 30)):
        color = tuple(int(v) for v in rng.randint(0, 256, 3))
        center = tuple(int(v) for v in rng.uniform((0, 0), SIZE))
        axes = tuple(int(v) for v in rng.uniform(5, 80, 2))
        if rng.uniform() < 0.5:
            cv2.ellipse(image, center, axes, rng.uniform(0, 180), 0, 360, color, -1)
        else:
            box = cv2.boxPoints((center, axes, rng.uniform(0, 180))).astype(np.int32)
            cv2.fillConvexPoly(image, box, color)
    return image


def draw_object(
    image: np.ndarray,
    mesh: Mesh,
    rotation: np.ndarray,
    translation: np.ndarray,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Draws the lit mesh into an image; returns where, (H, W) bool."""
    surface = render_surface(mesh, rotation, translation, CAM2IMG, SIZE)
    mask = np.zeros(image.shape[:2], bool)
    window = (
        slice(surface.top, surface.top + surface.hit.shape[0]),
        slice(surface.left, surface.left + surface.hit.shape[1]),
    )
    mask[window] = surface.hit
    light = rng.normal(size=3) + [0, -0.5, -1.5]  # from above, and from behind the camera
    light /= np.linalg.norm(light)
    lit = np.abs((mesh.normals @ rotation.T) @ light)
    colors = mesh.colors[:, ::-1] * (AMBIENT + (1 - AMBIENT) * lit)[:, None] * rng.uniform(0.7, 1.1)
    image[window][surface.hit] = np.clip(255 * interpolate(mesh, surface, colors), 0, 255)
    return mask

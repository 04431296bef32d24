"""What is made once before training: coordinate maps, new views, backgrounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from ..data.coordinate_maps import fingerprint, load_map, map_path, mesh_hash, render_map, save_map
from ..data.images import read_image, read_mask
from ..data.official import read_official_map
from ..objects.instances import Instance
from ..objects.models import ObjectModel
from .views import blended, mean_texture, nearby_pose, observed_texture, render_view
from .writer import SceneWriter

Progress = Callable[[list, str], Iterable]
RENDER_ZOOM = 1.3
"""Resolution of new views per pixel of the camera: what is rendered is later resampled."""
INPAINT_MARGIN = 15
"""Pixels around an object that are painted over in backgrounds."""


def prepare_maps(
    instances: list[Instance],
    models: dict[int, ObjectModel],
    folder: Path,
    layout: str,
    progress: Progress,
) -> int:
    """Writes the coordinate maps that are missing or stale.

    Args:
        instances: Whose maps to make.
        models: Of all their objects.
        folder: Gets the maps.
        layout: ``official`` takes the maps beside the images where there are some.
        progress: Wraps the list of work.

    Returns:
        Number of maps made.
    """
    hashes = {obj_id: mesh_hash(model) for obj_id, model in models.items()}
    todo = []
    for instance in instances:
        key = fingerprint(hashes[instance.obj_id], instance)
        if load_map(map_path(folder, instance), key) is None:
            todo.append((instance, key))
    meshes: dict[int, object] = {}
    for instance, key in progress(todo, 'coordinate maps'):
        ready = Path(str(instance.image).replace('-color.png', '-coor.pkl'))
        if layout == 'official' and ready.is_file():
            found = read_official_map(instance)
        else:
            if instance.obj_id not in meshes:
                meshes[instance.obj_id] = models[instance.obj_id].mesh()
            height, width = read_image(str(instance.image)).shape[:2]
            found = render_map(meshes[instance.obj_id], instance, (width, height))
        save_map(map_path(folder, instance), found, key)
    return len(todo)


def prepare_views(
    instances: list[Instance],
    models: dict[int, ObjectModel],
    out: Path,
    number: int,
    max_angle: float,
    seed: int,
    progress: Progress,
) -> None:
    """Renders new views of the objects, and images without them.

    They go into ``out/views`` and ``out/backgrounds``.

    Args:
        instances: Real images, of which the views take light and texture.
        models: Of all their objects.
        out: Folder.
        number: Views per object.
        max_angle: Of a view to its image, degrees.
        seed: Of the draws.
        progress: Wraps the list of work.
    """
    backgrounds = out / 'backgrounds'
    backgrounds.mkdir(parents=True, exist_ok=True)
    for instance in instances:
        path = backgrounds / f'{instance.scene_id:06d}_{instance.image_id:06d}.jpg'
        cv2.imwrite(str(path), without_object(instance), [cv2.IMWRITE_JPEG_QUALITY, 95])
    for obj_id in sorted({instance.obj_id for instance in instances}):
        sources = [instance for instance in instances if instance.obj_id == obj_id]
        mesh = models[obj_id].mesh()
        textures = [
            observed_texture(mesh, i, read_image(str(i.image)), visible(i)) for i in sources
        ]
        mean = mean_texture(mesh, textures)
        rng = np.random.default_rng([seed, obj_id])
        writer = SceneWriter(out / 'views' / f'{obj_id:06d}')
        for k in progress(list(range(number)), f'views of object {obj_id}'):
            source = sources[k % len(sources)]
            rotation, translation = nearby_pose(source, rng, max_angle)
            colors = blended(textures[k % len(sources)], mean)
            view = render_view(mesh, colors, rotation, translation, source.cam2img, RENDER_ZOOM)
            truth = (obj_id, rotation, translation, view.mask, view.mask)
            writer.add(k, view.image, view.cam2img, [truth])
        writer.close()


def visible(instance: Instance) -> np.ndarray:
    """Visible part of an instance, (H, W) bool."""
    return read_mask(instance, read_image(str(instance.image)).shape[:2]) > 0


def without_object(instance: Instance) -> np.ndarray:
    """The image with the object painted over by its surroundings."""
    kernel = np.ones((INPAINT_MARGIN, INPAINT_MARGIN), np.uint8)
    hole = cv2.dilate(visible(instance).astype(np.uint8), kernel)
    return cv2.inpaint(read_image(str(instance.image)), hole, 5, cv2.INPAINT_TELEA)

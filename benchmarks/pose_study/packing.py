"""All that a training needs of a BOP data set, in one folder of some tens of megabytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from epropnp_6dof.data.bop import detected, read_bop
from epropnp_6dof.data.coordinate_maps import render_map
from epropnp_6dof.data.images import read_image
from epropnp_6dof.objects.instances import Instance
from epropnp_6dof.objects.models import Mesh, read_models
from epropnp_6dof.synthetic.preparation import visible, without_object
from epropnp_6dof.synthetic.views import blended, mean_texture, observed_texture

SIZE = (640, 480)
MAP_SIDE = 128
BOX_JITTER = 0.1


def pack(source: Path, out: Path, obj_id: int) -> None:
    """Writes the folder.

    Args:
        source: With ``test`` and ``models`` of BOP, and ``splits.json`` with lists of images.
        out: Folder to write.
        obj_id: The object to learn.
    """
    splits = json.loads((source / 'splits.json').read_text('utf-8'))
    for name in ('real', 'backgrounds', 'test'):
        (out / name).mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / 'models', out / 'models', dirs_exist_ok=True)
    mesh = read_models(source / 'models')[obj_id].mesh()
    pack_training(read_bop(source / 'test', splits['train'], [obj_id]), mesh, out)
    test = read_bop(source / 'test', splits['test'], [obj_id])
    pack_test(detected(test, jitter=BOX_JITTER), out)


def pack_training(instances: list[Instance], mesh: Mesh, out: Path) -> None:
    """Images, masks, coordinate maps, colours of the mesh in every image, backgrounds."""
    textures = [observed_texture(mesh, i, read_image(str(i.image)), visible(i)) for i in instances]
    mean = mean_texture(mesh, textures)
    maps = np.zeros((len(instances), MAP_SIDE, MAP_SIDE, 3), np.float16)
    corners = np.zeros((len(instances), 2), np.int32)
    for k, instance in enumerate(instances):
        found = render_map(mesh, instance, SIZE)
        height, width = found.points.shape[:2]
        maps[k, :height, :width] = found.points
        corners[k] = found.left, found.top
        shutil.copy(instance.image, out / 'real' / f'{k:03d}.jpg')
        path = str(out / 'backgrounds' / f'{k:03d}.jpg')
        cv2.imwrite(path, without_object(instance), [cv2.IMWRITE_JPEG_QUALITY, 88])
    np.savez_compressed(
        out / 'real.npz',
        obj_id=instances[0].obj_id,
        maps=maps,
        corners=corners,
        masks=np.stack([np.packbits(visible(instance)) for instance in instances]),
        textures=np.stack([blended(t, mean) for t in textures]).round().astype(np.uint8),
        vertices=mesh.vertices,
        faces=mesh.faces,
        **_annotation(instances),
    )


def pack_test(instances: list[Instance], out: Path) -> None:
    """The part of every test image that one crop needs."""
    corners = []
    for k, instance in enumerate(instances):
        x, y, width, height = instance.box
        reach = 0.76 * max(width, height) + 2
        middle = np.array([x + width / 2, y + height / 2])
        left, top = np.maximum((middle - reach).astype(int), 0)
        right, bottom = (middle + reach).astype(int) + 2
        patch = read_image(str(instance.image))[top:bottom, left:right]
        cv2.imwrite(str(out / 'test' / f'{k:03d}.png'), patch, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        corners.append((left, top))
    np.savez_compressed(
        out / 'test.npz',
        corners=np.array(corners),
        image_ids=np.array([instance.image_id for instance in instances]),
        **_annotation(instances),
    )


def _annotation(instances: list[Instance]) -> dict[str, np.ndarray]:
    names = ('cam2img', 'rotation', 'translation', 'box')
    return {name: np.stack([getattr(i, name) for i in instances]) for name in names}

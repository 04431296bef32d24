"""Reads the official ("CDPN") layout of LineMOD (docs/method_6dof.md 2.2)."""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..objects.instances import Instance
from ..objects.models import MILLIMETRES, ObjectModel
from .coordinate_maps import CoordinateMap

LINEMOD = {
    'ape': 1,
    'benchvise': 2,
    'bowl': 3,
    'camera': 4,
    'can': 5,
    'cat': 6,
    'cup': 7,
    'driller': 8,
    'duck': 9,
    'eggbox': 10,
    'glue': 11,
    'holepuncher': 12,
    'iron': 13,
    'lamp': 14,
    'phone': 15,
}
CAM2IMG = np.array([[572.4114, 0.0, 325.2611], [0.0, 573.57043, 242.04899], [0.0, 0.0, 1.0]])
"""The one camera of LineMOD."""
SYMMETRIC = {'eggbox': 180.0, 'glue': 180.0}
"""Objects that look alike after a turn about z, degrees; the official files do not say it."""


def read_official(
    folder: str | Path,
    obj_ids: Collection[int] | None = None,
    image_ids: Collection[int] | None = None,
    detections: bool = False,
) -> list[Instance]:
    """All images of a part such as ``real_train``, ``imgn`` or ``real_test``.

    Args:
        folder: With one folder per object.
        obj_ids: Objects to keep; None for all.
        image_ids: Images to keep, in BOP's numbers; None for all.
        detections: Whether boxes are those of ``-box_fasterrcnn.txt``.

    Raises:
        FileNotFoundError: If no image or a file beside one is missing.
        ValueError: If a file is not as it should be.
    """
    found = []
    for name, obj_id in LINEMOD.items():
        if obj_ids is not None and obj_id not in obj_ids:
            continue
        for image in sorted((Path(folder) / name).glob('*-color.png')):
            stem = str(image)[: -len('-color.png')]
            try:
                instance = _instance(image, stem, obj_id, detections)
            except ValueError as error:
                raise ValueError(f'{stem}-*: {error}') from error
            if image_ids is None or instance.image_id in image_ids:
                found.append(instance)
    if not found:
        raise FileNotFoundError(f'{folder} holds no NAME/NNNNNN-color.png of the objects asked for')
    return found


def _instance(image: Path, stem: str, obj_id: int, detections: bool) -> Instance:
    pose = _numbers(f'{stem}-pose.txt', 12).reshape(3, 4)
    if detections:
        x1, y1, x2, y2 = _numbers(f'{stem}-box_fasterrcnn.txt', 4)
        box = np.array([x1, y1, x2 - x1 + 1, y2 - y1 + 1])
    else:
        box = _numbers(f'{stem}-box.txt', 4)
    mask = Path(f'{stem}-label.png')
    return Instance(
        image=image,
        scene_id=obj_id,
        image_id=int(image.name[: -len('-color.png')]) - 1,
        index=0,
        obj_id=obj_id,
        cam2img=CAM2IMG,
        rotation=pose[:, :3],
        translation=pose[:, 3],
        box=box,
        mask=mask if mask.is_file() else None,
        visibility=1.0,
    )


def _numbers(path: str, count: int) -> np.ndarray:
    """The last ``count`` numbers of a text file; DeepIM's pose files have one more at the top."""
    numbers = [float(token) for token in Path(path).read_text('utf-8').split()]
    if len(numbers) not in (count, count + (count == 12)):
        raise ValueError(f'{Path(path).name} holds {len(numbers)} numbers instead of {count}')
    return np.array(numbers[-count:])


def read_official_models(folder: str | Path) -> dict[int, ObjectModel]:
    """Reads ``models_info.txt``; meshes are ``NAME/NAME.ply`` in metres."""
    models = {}
    names = {obj_id: name for name, obj_id in LINEMOD.items()}
    for line in (Path(folder) / 'models_info.txt').read_text('utf-8').splitlines():
        tokens = line.split()
        if not tokens:
            continue
        obj_id = int(tokens[0])
        low = np.array([float(tokens[k]) for k in (4, 6, 8)]) * MILLIMETRES
        symmetries = [np.eye(4)]
        name = names.get(obj_id, '')
        if name in SYMMETRIC:
            symmetries.append(np.diag([-1.0, -1.0, 1.0, 1.0]))
        models[obj_id] = ObjectModel(
            obj_id,
            float(tokens[2]) * MILLIMETRES,
            np.abs(low),  # the official models are centred
            np.zeros(3),
            np.stack(symmetries),
            Path(folder) / name / f'{name}.ply',
            unit=1.0,
        )
    return models


class _ArraysOnly(pickle.Unpickler):
    """Accepts numpy arrays, dicts and numbers: the official pickles hold nothing else."""

    ALLOWED = {
        ('numpy.core.multiarray', '_reconstruct'),
        ('numpy._core.multiarray', '_reconstruct'),
        ('numpy.core.multiarray', 'scalar'),
        ('numpy._core.multiarray', 'scalar'),
        ('numpy.core.numeric', '_frombuffer'),  # protocol 5, Python 3.14's default
        ('numpy._core.numeric', '_frombuffer'),
        ('numpy', 'ndarray'),
        ('numpy', 'dtype'),
        ('_codecs', 'encode'),
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.ALLOWED:
            raise ValueError(f'the pickle asks for {module}.{name}, which no coordinate map needs')
        return super().find_class(module, name)


def read_official_map(instance: Instance) -> CoordinateMap:
    """The map beside an image, ``-coor.pkl``, read without running code from it.

    Raises:
        ValueError: If the file is no coordinate map.
    """
    path = Path(str(instance.image).replace('-color.png', '-coor.pkl'))
    content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding='latin1').load()
    if not isinstance(content, dict) or not {'u', 'l', 'coor'} <= set(content):
        raise ValueError(f'{path} is no coordinate map with u, l and coor')
    points = np.asarray(content['coor'], np.float32)
    return CoordinateMap(int(content['l']), int(content['u']), points)

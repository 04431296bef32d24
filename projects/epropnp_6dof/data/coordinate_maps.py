"""Coordinate maps: which point of the model each pixel sees (docs/method_6dof.md 2.5)."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from epropnp_det.atomic import replacing

from ..objects.instances import Instance
from ..objects.models import Mesh, ObjectModel
from ..objects.surfaces import render_surface


class CoordinateMap(NamedTuple):
    """Object-frame points seen by a rectangle of pixels.

    Attributes:
        left: First column.
        top: First row.
        points: Metres, zero where the object is not seen, (h, w, 3) float32.
    """

    left: int
    top: int
    points: np.ndarray


def render_map(mesh: Mesh, instance: Instance, size: tuple[int, int]) -> CoordinateMap:
    """Renders the map of an instance in an image of ``(width, height)``."""
    surface = render_surface(mesh, instance.rotation, instance.translation, instance.cam2img, size)
    return CoordinateMap(surface.left, surface.top, surface.points)


def fingerprint(mesh_hash: str, instance: Instance) -> str:
    """Hash of all that a map depends on; a cached map of another hash is stale."""
    digest = hashlib.sha256(mesh_hash.encode())
    for array in (instance.rotation, instance.translation, instance.cam2img):
        digest.update(np.ascontiguousarray(array, np.float64).tobytes())
    return digest.hexdigest()[:16]


def save_map(path: Path, found: CoordinateMap, key: str) -> None:
    """Writes a map as half-precision ``npz`` without pickle, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, 'wb') as file:
        np.savez_compressed(
            file,
            points=found.points.astype(np.float16),
            corner=np.array([found.left, found.top]),
            key=np.array(key),
        )


def load_map(path: Path, key: str | None = None) -> CoordinateMap | None:
    """Reads a map; None if there is none, or if it was made for another pose, camera or mesh."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as data:
        if key is not None and str(data['key']) != key:
            return None
        left, top = (int(value) for value in data['corner'])
        return CoordinateMap(left, top, data['points'].astype(np.float32))


def denoise_edges(points: np.ndarray) -> np.ndarray:
    """3x3 medians on both sides of the object's edge (docs/method_6dof.md 3, step 4)."""
    mask = (points[..., 0] != 0).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    edge = cv2.dilate(mask, cross) != cv2.erode(mask, cross)
    padded = np.pad(points, ((1, 1), (1, 1), (0, 0)))
    rows, columns = np.nonzero(edge)
    window = [padded[rows + r, columns + c] for r in range(3) for c in range(3)]
    cleaned = points.copy()
    cleaned[rows, columns] = np.median(np.stack(window), 0)
    return cleaned


def map_path(folder: Path, instance: Instance) -> Path:
    """File of an instance's coordinate map."""
    return folder / f'{instance.key}.npz'


@cache
def _file_hash(path: str, modified: float, size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def mesh_hash(model: ObjectModel) -> str:
    """Hash of the mesh's content; empty where there is no mesh."""
    if not model.mesh_path.is_file():
        return ''
    status = model.mesh_path.stat()
    return _file_hash(str(model.mesh_path), status.st_mtime, status.st_size)

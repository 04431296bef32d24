"""Object models: extents, diameter, symmetries, mesh (docs/method_6dof.md 2.1, 2.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

MILLIMETRES = 1e-3
"""Metres per unit of BOP's files."""


class ObjectModel(NamedTuple):
    """What is known of an object, in metres.

    Attributes:
        obj_id: Number in BOP.
        diameter: Largest distance of two points.
        half_extents: Half size of the bounding box, (3,) float64.
        center: Of the bounding box, in the object frame, (3,) float64.
        symmetries: Transforms (M, 4, 4) that leave the object alike, the identity first.
        mesh_path: File of the mesh.
        unit: Metres per unit of that file.
    """

    obj_id: int
    diameter: float
    half_extents: np.ndarray
    center: np.ndarray
    symmetries: np.ndarray
    mesh_path: Path
    unit: float = MILLIMETRES

    def mesh(self) -> Mesh:
        """Reads the mesh."""
        return read_mesh(self.mesh_path, self.unit)

    @property
    def symmetric(self) -> bool:
        """Whether ADD-S is due."""
        return len(self.symmetries) > 1


class Mesh(NamedTuple):
    """A triangle mesh in metres.

    Attributes:
        vertices: (V, 3) float64.
        faces: (F, 3) int64.
        colors: RGB in 0..1, (V, 3) float32; grey where the file has none.
        normals: (V, 3) float32, outward.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    normals: np.ndarray


def read_models(folder: str | Path, num_continuous: int = 32) -> dict[int, ObjectModel]:
    """Reads ``models_info.json`` of BOP.

    Args:
        folder: With ``models_info.json`` and ``obj_000001.ply`` and so on.
        num_continuous: Steps of a full turn that stand for a continuous symmetry.

    Raises:
        FileNotFoundError: If the folder has no such file.
        ValueError: If an entry is not as BOP's.
    """
    path = Path(folder) / 'models_info.json'
    if not path.is_file():
        raise FileNotFoundError(f'no {path}: give a folder of models in BOP layout')
    models = {}
    for key, info in json.loads(path.read_text('utf-8')).items():
        try:
            low = np.array([info[f'min_{axis}'] for axis in 'xyz'])
            size = np.array([info[f'size_{axis}'] for axis in 'xyz'])
            models[int(key)] = ObjectModel(
                int(key),
                info['diameter'] * MILLIMETRES,
                size / 2 * MILLIMETRES,
                (low + size / 2) * MILLIMETRES,
                read_symmetries(info, num_continuous),
                Path(folder) / f'obj_{int(key):06d}.ply',
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{path}, object {key}: {type(error).__name__} {error}') from error
    return models


def read_symmetries(info: dict, num_continuous: int = 32) -> np.ndarray:
    """All symmetry transforms of an entry of ``models_info.json``, in metres.

    Args:
        info: The entry.
        num_continuous: Steps of a full turn that stand for a continuous symmetry.

    Returns:
        (M, 4, 4), the identity first.
    """
    found = [np.eye(4)]
    for numbers in info.get('symmetries_discrete', []):
        matrix = np.array(numbers, np.float64).reshape(4, 4)
        matrix[:3, 3] *= MILLIMETRES
        found.append(matrix)
    for symmetry in info.get('symmetries_continuous', []):
        offset = np.asarray(symmetry.get('offset', [0, 0, 0]), np.float64) * MILLIMETRES
        turns = [
            _turn(np.asarray(symmetry['axis'], np.float64), offset, angle)
            for angle in 2 * np.pi * np.arange(num_continuous) / num_continuous
        ]
        found = [turn @ matrix for matrix in found for turn in turns]
    return np.stack(found)


def _turn(axis: np.ndarray, offset: np.ndarray, angle: float) -> np.ndarray:
    """Rotation about an axis through a point, (4, 4)."""
    axis = axis / np.linalg.norm(axis)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    matrix = np.eye(4)
    matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, 3] = offset - matrix[:3, :3] @ offset
    return matrix


def read_mesh(path: str | Path, unit: float = MILLIMETRES) -> Mesh:
    """Reads a mesh.

    Args:
        path: Any file that trimesh reads.
        unit: Metres per unit of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no triangles.
    """
    import trimesh

    if not Path(path).is_file():
        raise FileNotFoundError(f'no mesh {path}')
    mesh = trimesh.load(str(path), process=False, force='mesh')
    if not hasattr(mesh, 'faces') or len(mesh.faces) == 0:
        raise ValueError(f'{path} holds no triangles')
    colors = np.full((len(mesh.vertices), 3), 0.6, np.float32)
    if mesh.visual.defined:
        colored = mesh.visual if mesh.visual.kind == 'vertex' else mesh.visual.to_color()
        colors = np.asarray(colored.vertex_colors, np.float32)[:, :3] / 255
    return Mesh(
        np.asarray(mesh.vertices, np.float64) * unit,
        np.asarray(mesh.faces, np.int64),
        np.ascontiguousarray(colors),
        np.asarray(mesh.vertex_normals, np.float32),
    )

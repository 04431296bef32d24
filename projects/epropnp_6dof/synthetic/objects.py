"""A few made-up objects, two of them symmetric, as BOP has them: meshes and models_info.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import trimesh

from ..objects.models import MILLIMETRES, read_mesh


class MadeObject(NamedTuple):
    """An object in millimetres.

    Attributes:
        mesh: Coloured at its vertices.
        symmetries: Entries of ``models_info.json``.
    """

    mesh: trimesh.Trimesh
    symmetries: dict


def made_objects() -> dict[int, MadeObject]:
    """A block with a knob, an ellipsoid with patches, a plain can, a plain brick."""
    knob = trimesh.creation.icosphere(subdivisions=3, radius=22)
    knob.apply_translation([30, 18, 42])
    block = trimesh.util.concatenate([_box(110, 70, 60), knob])
    egg = trimesh.creation.icosphere(subdivisions=4, radius=1)
    egg.apply_scale([60, 45, 35])
    can = trimesh.creation.cylinder(radius=40, height=110, sections=64).subdivide().subdivide()
    brick = _box(120, 60, 40)
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0]).ravel().tolist()
    return {
        1: MadeObject(_painted(block, _patches(block, 3)), {}),
        2: MadeObject(_painted(egg, _patches(egg, 5)), {}),
        3: MadeObject(
            _painted(can, _stripes(can)),
            {'symmetries_continuous': [{'axis': [0, 0, 1], 'offset': [0, 0, 0]}]},
        ),
        4: MadeObject(_painted(brick, _ends(brick)), {'symmetries_discrete': [half_turn]}),
    }


def _box(x: float, y: float, z: float) -> trimesh.Trimesh:
    box = trimesh.creation.box(extents=(x, y, z))
    for _ in range(4):
        box = box.subdivide()
    return box


def _patches(mesh: trimesh.Trimesh, seed: int) -> np.ndarray:
    """Colours by the nearest of some random points: no two sides look alike."""
    rng = np.random.default_rng(seed)
    seeds = mesh.vertices[rng.choice(len(mesh.vertices), 14)]
    nearest = np.linalg.norm(mesh.vertices[:, None] - seeds, axis=2).argmin(1)
    return rng.uniform(0.1, 1, (14, 3))[nearest]


def _stripes(mesh: trimesh.Trimesh) -> np.ndarray:
    """Colours by height: top and bottom differ, a turn about z changes nothing."""
    level = np.digitize(mesh.vertices[:, 2], [-30, 10, 35])
    return np.array([[0.8, 0.2, 0.2], [0.9, 0.9, 0.85], [0.2, 0.3, 0.8], [0.7, 0.7, 0.7]])[level]


def _ends(mesh: trimesh.Trimesh) -> np.ndarray:
    """Colours that a half turn about z leaves as they are, and no other turn."""
    x, y, z = mesh.vertices.T
    red = np.where(x * y > 1e-6, 0.85, 0.3)
    return np.stack([red, np.where(z > 0, 0.75, 0.3), np.full(len(x), 0.35)], 1)


def _painted(mesh: trimesh.Trimesh, colors: np.ndarray) -> trimesh.Trimesh:
    mesh.visual = trimesh.visual.ColorVisuals(
        mesh, vertex_colors=(np.c_[colors, np.ones(len(colors))] * 255).astype(np.uint8)
    )
    return mesh


def write_models(folder: Path, objects: dict[int, MadeObject]) -> None:
    """Writes ``obj_000001.ply`` and so on, and ``models_info.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {}
    for obj_id, made in objects.items():
        path = folder / f'obj_{obj_id:06d}.ply'
        made.mesh.export(str(path), vertex_normal=True)
        table[str(obj_id)] = {**model_info(made.mesh.vertices), **made.symmetries}
    (folder / 'models_info.json').write_text(json.dumps(table, indent=1) + '\n')


def model_info(vertices: np.ndarray) -> dict[str, float]:
    """Diameter and bounding box of vertices (V, 3), in their unit."""
    hull = trimesh.convex.convex_hull(vertices).vertices
    diameter = max(float(np.linalg.norm(hull - point, axis=1).max()) for point in hull)
    low, size = vertices.min(0), np.ptp(vertices, axis=0)
    info = {'diameter': diameter}
    for k, axis in enumerate('xyz'):
        info[f'min_{axis}'], info[f'size_{axis}'] = float(low[k]), float(size[k])
    return info


def own_object(path: str | Path, unit: float = MILLIMETRES) -> MadeObject:
    """An object of the user's, taken as not symmetric.

    Args:
        path: Mesh.
        unit: Metres per unit of the file.

    Raises:
        ValueError: If its size is no object's, which a wrong unit causes.
    """
    mesh = read_mesh(path, unit)
    size = float(np.ptp(mesh.vertices, axis=0).max())
    if not 0.005 < size < 5:
        raise ValueError(
            f'{path} is {size:.4g} m long with {unit} m per unit: give its unit by --unit '
            '(0.001 for millimetres, 1 for metres)'
        )
    made = trimesh.Trimesh(mesh.vertices / MILLIMETRES, mesh.faces, process=False)
    return MadeObject(_painted(made, mesh.colors), {})

"""What the batches of a job are made of: pools, photographs, objects, test images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor

from epropnp_6dof.data.official import CAM2IMG
from epropnp_6dof.objects.models import ObjectModel, read_models
from epropnp_6dof.synthetic.objects import made_objects, write_models

from .batches import ObjectTables, Options, Source, make_batch
from .evaluation import TestImages
from .jobs import Job
from .pools import Shape, Truth, Views, backgrounds, lit_views, nearby_views, real_pool

MADE = {'can': 3, 'brick': 4}
"""Made-up objects of the package by the jobs that learn them."""
TURNS = 16
"""Poses that stand for a continuous symmetry."""
EDGE = 0.0026
"""Longest edge of the triangles of a made-up object, metres; the rasterizer draws small ones."""


class Material:
    """All that the batches of a job are made of.

    Args:
        name: Of the job.
        job: Sizes of batches and pools.
        folder: From `packing.pack`.
        device: Where everything is kept.
        shrink: Divides batches and pools, for a trial on a CPU.
    """

    def __init__(self, name: str, job: Job, folder: Path, device: str, shrink: int = 1) -> None:
        self.photos = backgrounds(folder, device)
        self.job, self.real, self.test = job, None, None
        if name in MADE:
            self.model, shape, give = made_object(MADE[name], device)
        else:
            data = dict(np.load(folder / 'real.npz'))
            self.model = read_models(folder / 'models')[int(data['obj_id'])]
            self.real = real_pool(folder, data, device)
            faces = torch.from_numpy(data['faces']).to(device)
            shape = Shape(_floats(data['vertices'], device), faces)
            give = nearby_views(self.real, torch.from_numpy(data['textures']).to(device))
            self.test = TestImages(folder, self.model, device, 400 // shrink)
        chunk = min(32, max(1000000 // len(shape.faces), 1)) if shrink == 1 else 4
        self.views = Views(shape, give, max(job.pool // shrink**2, 4), chunk)
        fields = (self.model.half_extents, self.model.center, self.model.symmetries)
        self.tables = ObjectTables(*(_floats(field, device) for field in fields))

    def batch(self) -> tuple:
        """Images, crops and targets of a step."""
        sources = [Source(self.views.pool, self.job.views, 1.0, True)]
        if self.real is not None:
            sources.insert(0, Source(self.real, self.job.real, 0.5, False))
        return make_batch(sources, self.photos, self.tables, Options())


def made_object(number: int, device: str) -> tuple[ObjectModel, Shape, Callable[[int], Truth]]:
    """A made-up object of the package, its triangles made small, and its views."""
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder), {number: made_objects()[number]})
        model = read_models(folder, TURNS)[number]
        mesh = model.mesh()
    vertices, faces, owners = trimesh.remesh.subdivide_to_size(
        mesh.vertices, mesh.faces, EDGE, return_index=True
    )
    owner = np.empty(len(vertices), np.int64)
    owner[faces] = owners[:, None]  # of each vertex a face of the mesh that holds it
    corners = mesh.faces[owner]
    shares = trimesh.triangles.points_to_barycentric(mesh.vertices[corners], vertices)
    values = np.c_[mesh.normals, mesh.colors[:, ::-1]][corners]
    values = _floats((values * shares[..., None]).sum(1), device)
    shape = Shape(_floats(vertices, device), torch.from_numpy(np.asarray(faces)).to(device))
    camera = _floats(CAM2IMG, device)
    return model, shape, lit_views(values[:, :3], values[:, 3:], camera, model.diameter)


def objects_entry(model: ObjectModel) -> dict[int, dict]:
    """The entry ``objects`` of a config, millimetres."""
    entry = {
        'diameter': 1000 * model.diameter,
        'half_extents': (1000 * model.half_extents).tolist(),
        'center': (1000 * model.center).tolist(),
        'symmetries': [matrix.ravel().tolist() for matrix in model.symmetries],
    }
    return {model.obj_id: entry}


def _floats(array: np.ndarray, device: str) -> Tensor:
    return torch.from_numpy(np.asarray(array)).float().to(device)

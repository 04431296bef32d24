"""Problems shared by the tests of the layer."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import PerspectiveCamera
from epropnp_det.pnp.backend import SUITED, SWITCH, Backend, load
from epropnp_det.pnp.problem import Problem, make_problem


class Objects(NamedTuple):
    """Correspondences of some objects, their camera and their true poses."""

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    camera: PerspectiveCamera
    pose: Tensor

    def problem(self, delta: Tensor) -> Problem:
        return planar_problem(self, delta)


def planar_problem(objects: Objects, delta: Tensor) -> Problem:
    x3d, x2d, w2d, camera, _ = objects
    bounds = torch.cat([bound.expand(len(x3d), 2) for bound in camera.bounds()], 1)
    points = torch.cat((x3d, x2d, w2d), -1).transpose(1, 2)
    return make_problem(points, delta, camera.cam2img, bounds, camera.z_min)


def yaw_quaternion(yaw: Tensor) -> Tensor:
    zero = torch.zeros_like(yaw)
    return torch.stack((torch.cos(yaw / 2), zero, torch.sin(yaw / 2), zero), -1)


def random_objects(
    num: int, points: int = 32, seed: int = 0, dtype=torch.float64, dof: int = 4, noise: float = 2.0
) -> Objects:
    """Car-sized boxes 8-40 m before a nuScenes-like camera, with pixel noise and random weights."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=dtype)

    x3d = (rand(num, points, 3) - 0.5) * torch.tensor([4.5, 1.7, 1.9], dtype=dtype)
    depth = 8 + 32 * rand(num)
    position = torch.stack((depth * (rand(num) - 0.5), 1 + rand(num), depth), -1)
    yaw = (rand(num) - 0.5) * 6
    pose = torch.cat((position, yaw[:, None] if dof == 4 else yaw_quaternion(yaw)), -1)
    cam2img = torch.tensor([[1260.0, 0.0, 800.0], [0.0, 1250.0, 450.0], [0.0, 0.0, 1.0]])
    cam2img = cam2img.to(dtype).expand(num, 3, 3).contiguous()
    camera = PerspectiveCamera.from_image_size(cam2img, torch.tensor([1600.0, 900.0], dtype=dtype))
    x2d = camera.project(x3d, pose)
    x2d = x2d + noise * torch.randn(x2d.shape, generator=generator, dtype=dtype)
    w2d = 0.05 + 0.5 * rand(num, points, 2)
    return Objects(x3d, x2d, w2d, camera, pose)


@pytest.fixture(params=sorted({*SUITED['cpu']} - {'triton'}))
def backend(request, monkeypatch) -> Backend:
    """Every backend of a CPU in turn, chosen by the switch; skips those that are not installed.

    Triton's is compared with the reference in test_fused.py: its interpreter is slow.
    """
    found = load(request.param)
    if not isinstance(found, Backend):
        pytest.skip(f'{request.param} does not load: {found}')
    monkeypatch.setenv(SWITCH, request.param)
    return found


@pytest.fixture
def setup_a() -> Objects:
    """Setup A of docs/method.md 11: the corners of a box seen by a 1600 x 900 camera."""
    signs = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    x3d = (signs * torch.tensor([4.0, 1.5, 1.8], dtype=torch.float64) / 2)[None]
    cam2img = torch.tensor([[[1260.0, 0, 800], [0, 1260, 450], [0, 0, 1]]], dtype=torch.float64)
    camera = PerspectiveCamera.from_image_size(
        cam2img, torch.tensor([[1600.0, 900.0]]), pixel_center=0.0
    )
    pose = torch.tensor([[2.0, 1.0, 20.0, 0.5]], dtype=torch.float64)
    offsets = [[3, -1], [-2, 1], [0, 2], [1, -3], [-1, 0], [2, 2], [-3, 1], [40, -30]]
    x2d = camera.project(x3d, pose) + torch.tensor(offsets)
    w2d = torch.tensor([0.25, 0.375], dtype=torch.float64).expand(1, 8, 2)
    return Objects(x3d, x2d, w2d, camera, pose)


@pytest.fixture(scope='session')
def golden(golden_dir) -> dict:
    """Results of the official layer on random boxes, float64 (tests/data/golden/README.md)."""
    with np.load(golden_dir / 'pnp_synthetic.npz') as file:
        return {key: torch.from_numpy(file[key]) for key in file}


@pytest.fixture(scope='session')
def golden_camera(golden) -> PerspectiveCamera:
    return PerspectiveCamera.from_image_size(
        golden['cam2img'], torch.tensor([1600.0, 900.0]), pixel_center=0.0
    )


@pytest.fixture(name='random_objects')
def random_objects_fixture():
    return random_objects


@pytest.fixture
def to_quaternion():
    return yaw_quaternion

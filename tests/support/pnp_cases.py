"""Problems on which the functions of two backends are compared."""

from typing import NamedTuple

import torch

from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF
from epropnp_det.pnp.pose import Parametrization
from epropnp_det.pnp.problem import Problem

LAYERS = {4: EProPnP4DoF, 6: EProPnP6DoF}
KINDS = [
    (torch.float64, 4, 3),
    (torch.float64, 6, 1),
    (torch.float32, 4, 1),
    (torch.float32, 6, 3),
]
"""Precision, degrees of freedom, objects; one takes the path of GPUs in the interpreter, too."""


class Case(NamedTuple):
    """Some objects, and poses near the true ones."""

    pose_type: Parametrization
    problem: Problem
    start: torch.Tensor
    loose: dict


def make_case(random_objects, dtype, dof, num, device, points=21) -> Case:
    torch.manual_seed(0)
    objects = random_objects(num, points=points, dof=dof, dtype=dtype)
    objects.camera.cam2img[-1, 0, 1] = 30.0  # skewed
    problem = objects.problem(torch.full((num,), 2.0, dtype=dtype))
    pose_type = LAYERS[dof].pose_type
    start = pose_type.canonical(objects.pose + 0.1 * torch.randn_like(objects.pose))
    tensors = (tensor.to(device) for tensor in problem.tensors)
    rtol = 1e-8 if dtype == torch.float64 else 2e-3
    loose = dict(rtol=rtol, atol=rtol)
    return Case(pose_type, Problem.of(tensors, problem.z_min), start.to(device), loose)


def assert_alike(ours, plain, loose):
    for one, other in zip(ours, plain):
        assert one.shape == other.shape and one.dtype == other.dtype
        scale = other.abs().amax().clamp(min=1e-30)
        torch.testing.assert_close(one / scale, other / scale, **loose)

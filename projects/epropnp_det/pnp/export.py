"""The deterministic inference path as a module of its own, for ONNX and other runtimes.

Sampling stays out: the solver starts from a given pose, or from a fixed fan of rotations at the
position that the spread of the points suggests, and runs a fixed number of iterations.
"""

from __future__ import annotations

import inspect
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .correspondences import Inputs
from .layer import EProPnP
from .pose import Pose4DoF, normalize_quaternion
from .problem import Problem
from .reference.frames import shift
from .reference.search import initial_position
from .reference.solver import Solution, solve


class ExportedPose(NamedTuple):
    """What `DeterministicPnP` returns: ``pose`` (B, dim), ``cost`` (B,), ``pose_cov``."""

    pose: Tensor
    cost: Tensor
    pose_cov: Tensor


class DeterministicPnP(nn.Module):
    """PnP without random numbers; every operation has an ONNX counterpart.

    With ``with_pose_init`` the last input is a starting pose. Without, ``num_starts`` fixed
    rotations are tried, each refined by the layer's solver on all points, and the cheapest wins.

    Args:
        layer: `EProPnP4DoF` or `EProPnP6DoF`; its cost, solver and normalisation are used.
        with_pose_init: Whether `forward` takes starting poses.
        num_starts: Yaws of the fan in 4DoF; 6DoF always tries the 24 rotations of a cube.
        fast_mode: Gauss-Newton (as in `EProPnP4DoF.forward`) instead of Levenberg-Marquardt.
        z_min: Smallest depth in metres.
    """

    rotations: Tensor

    def __init__(
        self,
        layer: EProPnP,
        with_pose_init: bool = True,
        num_starts: int = 8,
        fast_mode: bool = True,
        z_min: float = 0.1,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.with_pose_init = with_pose_init
        self.fast_mode = fast_mode
        self.z_min = z_min
        if layer.pose_type is Pose4DoF:
            rotations = torch.arange(num_starts)[:, None] * (2 * math.pi / num_starts) - math.pi
        else:
            rotations = cube_rotations()
        self.register_buffer('rotations', rotations, persistent=False)

    def forward(
        self,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        cam2img: Tensor,
        lower: Tensor,
        upper: Tensor,
        pose_init: Tensor | None = None,
    ) -> ExportedPose:
        """Solves PnP.

        Args:
            x3d: (B, N, 3).
            x2d: (B, N, 2).
            w2d: (B, N, 2).
            cam2img: (B, 3, 3).
            lower: Lower bound of the projections, (B, 2); -1e9 for none.
            upper: Upper bound, (B, 2); 1e9 for none.
            pose_init: Starting poses, (B, dim), where the module was made to take them.

        Raises:
            ValueError: If ``pose_init`` is missing where the module was made to take it.
        """
        if self.with_pose_init and pose_init is None:
            raise ValueError('this module was made with with_pose_init=True: give pose_init')
        layer = self.layer
        # A placeholder object at the end: onnxruntime's reductions fail where there is none.
        x3d, x2d, w2d, cam2img, lower, upper = (
            _append_zeros(tensor) for tensor in (x3d, x2d, w2d, cam2img, lower, upper)
        )
        pose_init = None if pose_init is None else _append_zeros(pose_init)
        inputs = Inputs(
            torch.cat([field.transpose(1, 2) for field in (x3d, x2d, w2d)], dim=1),
            cam2img,
            torch.cat((lower, upper), dim=1),
            self.z_min,
            None,
            pose_init,
            valid=torch.ones_like(x3d[:, 0, 0], dtype=torch.bool),
            identity=layer.pose_type.identity(x3d),
            leading=(x3d.size(0),),
        )
        problem, offset = layer.problem(inputs)
        if self.with_pose_init and pose_init is not None:
            start = shift(layer.pose_type, pose_init, offset)
            best = solve(layer.pose_type, problem, start, layer.solver, self.fast_mode)
        else:
            best = self._solve_fan(problem)
        solved = layer.conclude(inputs, offset, best)
        return ExportedPose(solved.pose[:-1], solved.cost[:-1], solved.covariance[:-1])

    def _solve_fan(self, problem: Problem) -> Solution:
        """Solves from every rotation at once, as so many objects, and keeps the cheapest."""
        layer, num = self.layer, self.rotations.size(0)
        position = initial_position(layer.pose_type, problem)  # (B, 3)
        ones = torch.ones_like(position[:, :1])
        fan = [torch.cat((position, ones * row), dim=1) for row in self.rotations.to(position)]
        many = Problem.of((torch.cat([field] * num) for field in problem.tensors), problem.z_min)
        found = solve(layer.pose_type, many, torch.cat(fan), layer.solver, self.fast_mode)
        cost = found.cost.reshape(num, -1)  # (P, B)
        cost = torch.where(torch.isfinite(cost), cost, torch.full_like(cost, math.inf))
        pose = found.pose.reshape(num, -1, layer.pose_type.dim)
        best = cost.argmin(0)[None, :, None].expand(-1, -1, layer.pose_type.dim)
        # no iterations: only the linearisation of the winner
        final = replace(layer.solver, num_iter=0)
        return solve(layer.pose_type, problem, pose.gather(0, best)[0], final, self.fast_mode)


def export_onnx(module: DeterministicPnP, path: str | Path, opset_version: int = 17) -> None:
    """Writes a module as an ONNX file that takes any number of objects and points.

    Inputs are named as the arguments of `DeterministicPnP.forward`, outputs as the fields of
    `ExportedPose`. float32. The file grows with the iterations; on 6DoF layers, and more so before
    torch 2.1, writing ten of them takes a minute or two.

    Args:
        module: What to export.
        path: File to write.
        opset_version: ONNX operator set, at least 16.

    Raises:
        ImportError: If the ``onnx`` package is missing.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError('ONNX export needs the onnx package: pip install onnx') from error
    axis, dim = torch.linspace(-1, 1, 8)[:, None], module.layer.pose_type.dim
    x3d = torch.cat((axis, axis**2, torch.sin(5 * axis)), dim=1).repeat(3, 1, 1)
    points = x3d[..., :2] / (x3d[..., 2:] + 5)
    cam2img, bound = torch.eye(3).repeat(3, 1, 1), torch.full((3, 2), 1e9)
    arguments = {
        'x3d': x3d,
        'x2d': points,
        'w2d': torch.ones_like(points),
        'cam2img': cam2img,
        'lower': -bound,
        'upper': bound,
    }
    if module.with_pose_init:
        pose = module.layer.pose_type.identity(x3d)
        arguments['pose_init'] = pose.expand(3, dim).contiguous()
    axes = {name: {0: 'objects'} for name in (*arguments, *ExportedPose._fields)}
    for name in ('x3d', 'x2d', 'w2d'):
        axes[name][1] = 'points'
    options: dict[str, Any] = {}
    if 'dynamo' in inspect.signature(torch.onnx.export).parameters:
        options['dynamo'] = False
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of constants that are meant to be constants
        torch.onnx.export(
            module.eval(),
            tuple(arguments.values()),
            str(path),
            input_names=list(arguments),
            output_names=list(ExportedPose._fields),
            dynamic_axes=axes,
            opset_version=opset_version,
            do_constant_folding=False,  # folding this many nodes takes minutes and gains nothing
            **options,
        )


def _append_zeros(tensor: Tensor) -> Tensor:
    """One more object, (B, ...) -> (B + 1, ...)."""
    return torch.cat((tensor, tensor.new_zeros((1, *tensor.shape[1:]))))


def cube_rotations() -> Tensor:
    """Quaternions of the 24 rotations that map a cube to itself, (24, 4)."""
    signs = [(a, b, c) for a in (-1.0, 1.0) for b in (-1.0, 1.0) for c in (-1.0, 1.0)]
    quaternions = [[1.0 if i == j else 0.0 for j in range(4)] for i in range(4)]
    quaternions += [[1.0, *sign] for sign in signs]
    for first in range(4):
        for second in range(first + 1, 4):
            for sign in (-1.0, 1.0):
                pair = [0.0] * 4
                pair[first], pair[second] = 1.0, sign
                quaternions.append(pair)
    return normalize_quaternion(torch.tensor(quaternions))

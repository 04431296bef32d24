"""Objects, and the ways in which they are spoiled for ``benchmarks/fuzz_pnp.py``."""

from __future__ import annotations

from typing import Callable, NamedTuple

import torch
from torch import Tensor

NAN, INF = float('nan'), float('inf')


class Objects(NamedTuple):
    """Correspondences, intrinsics and poses of ``B`` objects."""

    x3d: Tensor  # (B, N, 3)
    x2d: Tensor  # (B, N, 2)
    w2d: Tensor  # (B, N, 2)
    cam2img: Tensor  # (B, 3, 3)
    pose: Tensor  # (B, dim)


class Kind(NamedTuple):
    """A way to spoil one object in place, given a generator, and whether it must be flagged."""

    spoil: Callable[[Objects, torch.Generator], None]
    must_be_invalid: bool | None  # None: either is defensible


def _set(field: str, value: float, everywhere: bool = False) -> Callable:
    def spoil(one: Objects, generator: torch.Generator) -> None:
        tensor = getattr(one, field).view(-1)
        if everywhere:
            tensor.fill_(value)
        else:
            tensor[int(torch.randint(len(tensor), (1,), generator=generator))] = value

    return spoil


def _scale(field: str, factor: float) -> Callable:
    def spoil(one: Objects, generator: torch.Generator) -> None:
        getattr(one, field).mul_(factor)

    return spoil


def _coincide(field: str) -> Callable:
    def spoil(one: Objects, generator: torch.Generator) -> None:
        tensor = getattr(one, field)
        tensor.copy_(tensor[:1].clone().expand_as(tensor))

    return spoil


def _flatten(axes: list[int]) -> Callable:
    def spoil(one: Objects, generator: torch.Generator) -> None:
        one.x3d[:, axes] = 0

    return spoil


def _collinear(one: Objects, generator: torch.Generator) -> None:
    steps = torch.linspace(-1, 1, len(one.x3d)).to(one.x3d)
    one.x3d.copy_(steps[:, None] * one.x3d[0].clone())


def _behind(one: Objects, generator: torch.Generator) -> None:
    one.pose[2] = -one.pose[2]


def _random_pixels(one: Objects, generator: torch.Generator) -> None:
    noise = torch.rand(one.x2d.shape, generator=generator).to(one.x2d)
    one.x2d.copy_(noise * 4000 - 1000)


def _one_weight(one: Objects, generator: torch.Generator) -> None:
    one.w2d.fill_(0)
    one.w2d[0, 0] = 1


def _one_axis(one: Objects, generator: torch.Generator) -> None:
    one.w2d[:, 0] = 0


def _some_points_behind(one: Objects, generator: torch.Generator) -> None:
    one.x3d[::2] += 60 * (torch.rand(3, generator=generator).to(one.x3d) * 2 - 1)
    one.x3d[::2, 2] -= 60


def _all_points_behind(one: Objects, generator: torch.Generator) -> None:
    one.x3d[:, 1] += 1e3 * torch.randn(len(one.x3d), generator=generator).to(one.x3d)
    one.pose[:3] = torch.tensor([0.0, 0.0, -1e3]).to(one.pose)


def _no_focal_length(one: Objects, generator: torch.Generator) -> None:
    one.cam2img[0, 0] = 0


def _mirrored(one: Objects, generator: torch.Generator) -> None:
    one.x2d[:, 1] = 900 - one.x2d[:, 1]


KINDS: dict[str, Kind] = {
    'NaN in x3d': Kind(_set('x3d', NAN), True),
    'NaN in x2d': Kind(_set('x2d', NAN), True),
    'NaN in w2d': Kind(_set('w2d', NAN), True),
    'NaN in cam2img': Kind(_set('cam2img', NAN), True),
    'NaN in pose_init': Kind(_set('pose', NAN), True),
    'everything NaN': Kind(
        lambda one, generator: [tensor.fill_(NAN) for tensor in one] and None, True
    ),
    'Inf in x3d': Kind(_set('x3d', INF), True),
    'Inf in x2d': Kind(_set('x2d', -INF), True),
    'Inf in w2d': Kind(_set('w2d', INF), True),
    'Inf in pose_init': Kind(_set('pose', INF), True),
    'zero weights': Kind(_set('w2d', 0.0, everywhere=True), True),
    'one weight': Kind(_one_weight, True),
    'weights on one axis': Kind(_one_axis, None),
    'a negative weight': Kind(_set('w2d', -0.1), True),
    'negative weights': Kind(_scale('w2d', -1.0), True),
    'weights x 1e4': Kind(_scale('w2d', 1e4), None),
    'weights x 1e18': Kind(_scale('w2d', 1e18), None),
    'weights x 1e37': Kind(_scale('w2d', 1e37), None),
    'one weight of 1e30': Kind(_set('w2d', 1e30), None),
    'weights x 1e-6': Kind(_scale('w2d', 1e-6), None),
    'weights x 1e-30': Kind(_scale('w2d', 1e-30), None),
    'coincident x3d': Kind(_coincide('x3d'), None),
    'x3d all zero': Kind(_set('x3d', 0.0, everywhere=True), None),
    'coincident x2d': Kind(_coincide('x2d'), True),
    'collinear x3d': Kind(_collinear, None),
    'x3d on an axis': Kind(_flatten([0, 2]), None),
    'coplanar, no height': Kind(_flatten([1]), None),
    'coplanar, no length': Kind(_flatten([0]), None),
    'x3d x 1e6': Kind(_scale('x3d', 1e6), None),
    'x3d x 1e20': Kind(_scale('x3d', 1e20), None),
    'x3d x 1e-20': Kind(_scale('x3d', 1e-20), None),
    'x2d x 1e6': Kind(_scale('x2d', 1e6), None),
    'x2d x 1e20': Kind(_scale('x2d', 1e20), None),
    'random pixels': Kind(_random_pixels, None),
    'mirrored pixels': Kind(_mirrored, None),
    'some points behind': Kind(_some_points_behind, None),
    'all points behind': Kind(_all_points_behind, None),
    'pose_init behind': Kind(_behind, None),
    'pose_init x 1e20': Kind(_scale('pose', 1e20), None),
    'cam2img zero': Kind(_set('cam2img', 0.0, everywhere=True), True),
    'one focal length zero': Kind(_no_focal_length, True),
    'cam2img x 1e-20': Kind(_scale('cam2img', 1e-20), None),
    'cam2img x 1e15': Kind(_scale('cam2img', 1e15), None),
    'cam2img negative': Kind(_scale('cam2img', -1.0), None),
    'cam2img all ones': Kind(_set('cam2img', 1.0, everywhere=True), True),
}
